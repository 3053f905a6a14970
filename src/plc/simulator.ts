/**
 * A simulated PLC, for the demo, for commissioning and for tests: sends a trigger for each part, watches the heartbeat, and
 * decides about the gate by the accepting rule (acceptance.ts). It shares no state with the station, only the broker.
 */
import type { Clock, Ms } from '../ports';
import { nextSeq } from '../seq';
import { Acceptance, type Decision, defaultRule, type Input, type Rejection, type Rule, rejections } from './acceptance';
import { limits, type PlainTopic, type Topics, topicsUnder } from './topics';
import { Wire } from './wire';

export interface SimulatorOptions {
  url: string;
  base: string; // as the station's
  period: Ms; // from part to part
  rule?: Partial<Rule>;
  recipeId?: number; // expected; 0 (default): any, and absent from the trigger
  form?: 'json' | 'plain' | 'csv'; // of the trigger; plain carries no partId
  csvResult?: boolean; // read `result/csv` instead of `result`, as a small PLC does
  /** Send `plc/heartbeat` each period. Default false. */
  heartbeat?: boolean;
  /** Number of the last part, for a PLC with retentive memory. Absent: cold start, the station is asked (handshake, step 1). */
  lastSeq?: number;
}

export interface SimulatorCounts {
  triggers: number;
  accepted: number;
  revoked: number;
  rejected: Record<Rejection, number>;
  notReady: number; // periods without a trigger: station not ready, silent, or not connected
}

const scan: Ms = 10; // cycle of the PLC program
const closing: Ms = 500;

function record(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {}; // not ours to mend: every field reads as -1, so nothing is accepted
  }
}

/** What a PLC makes of a payload: the fields it needs as integers, -1 for what is missing or is none. Never throws. */
export function readMessage(name: PlainTopic, text: string): Input | null {
  if (name === 'result/csv') {
    const [v, seq, ok, , code, , isSimulated, , , recipeId] = text
      .split(';')
      .map((field) => (/^\d{1,10}$/.test(field) ? Number(field) : -1));
    const or = (value: number | undefined) => value ?? -1;
    return {
      kind: 'result',
      v: or(v),
      seq: or(seq),
      ok: or(ok),
      isSimulated: or(isSimulated),
      recipeId: or(recipeId),
      code: or(code),
    };
  }
  const fields = record(text);
  const int = (key: string): number => {
    const value = fields[key];
    return typeof value === 'number' && Number.isInteger(value) ? value : -1;
  };
  switch (name) {
    case 'ack':
      return { kind: 'ack', seq: int('seq'), ack: int('ack'), code: int('code') };
    case 'acquired':
      return { kind: 'acquired', seq: int('seq') };
    case 'heartbeat':
      return { kind: 'heartbeat', hb: int('hb') };
    case 'result':
      return {
        kind: 'result',
        v: int('v'),
        seq: int('seq'),
        ok: int('ok'),
        isSimulated: int('isSimulated'),
        recipeId: int('recipeId'),
        code: int('resultEvaluationCode'),
      };
    default:
      return null;
  }
}

/** One owner of one connection; `stop` is its only close path. */
export class SimulatedPlc {
  readonly counts: SimulatorCounts;
  private readonly topics: Topics;
  private readonly acceptance: Acceptance;
  private readonly rule: Rule;
  private wire: Wire | null = null;
  private seq: number | null; // last number sent; null: not known yet
  private ready = false;
  private started: Ms = 0;
  private beat = 0;
  private timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly options: SimulatorOptions,
    private readonly clock: Clock,
    private readonly decided: (decision: Decision) => void = () => undefined,
  ) {
    this.topics = topicsUnder(options.base);
    this.rule = { ...defaultRule, ...options.rule };
    this.acceptance = new Acceptance(this.rule);
    this.seq = options.lastSeq ?? null;
    const rejected = Object.fromEntries(rejections.map((reason) => [reason, 0])) as Record<Rejection, number>;
    this.counts = { triggers: 0, accepted: 0, revoked: 0, rejected, notReady: 0 };
  }

  /** Connects (and goes on trying) and sends a trigger each period while the station is ready and alive. */
  start(): void {
    if (this.wire !== null) throw new Error('the simulated PLC runs already');
    const { url, csvResult, period, heartbeat } = this.options;
    const read: PlainTopic[] = ['ack', 'acquired', 'heartbeat', csvResult ? 'result/csv' : 'result'];
    const names = new Map(read.map((name) => [this.topics.of(name), name]));
    const wire = new Wire(
      { url, name: 'plc-sim', clock: this.clock },
      {
        connected: () => void wire.subscribe([...names.keys()], 1),
        lost: () => {
          this.ready = false;
        },
        trouble: () => undefined, // the station says what is wrong with the broker
        message: (topic, payload, retained) => {
          const name = names.get(topic);
          if (name !== undefined && !retained) this.receive(name, payload.toString('latin1'));
        },
      },
    );
    this.wire = wire;
    this.started = this.clock.now();
    wire.open();
    this.timers = [setInterval(() => this.part(), period), setInterval(() => this.decide({ kind: 'tick' }), scan)];
    if (heartbeat) this.timers.push(setInterval(() => this.publish('plc/heartbeat', String(++this.beat), 0), this.rule.heartbeat));
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
    const { wire } = this;
    this.wire = null;
    await wire?.close(this.clock.now() + closing);
  }

  /** The next part reaches the camera: sends its trigger; null where the station is not ready for one. */
  part(): number | null {
    const now = this.clock.now();
    const before = this.seq;
    // A part that the next one follows stands at the camera no more.
    if (before !== null) this.decide({ kind: 'left', seq: before });
    if (before === null || !this.ready || !this.acceptance.alive(now) || !this.wire?.connected) {
      this.counts.notReady++;
      return null;
    }
    const seq = nextSeq(before);
    this.seq = seq;
    const recipeId = this.options.recipeId ?? 0;
    const partId = `P${String(seq).padStart(7, '0')}`;
    const recipeText = recipeId === 0 ? '' : `,"recipeId":${recipeId}`;
    const forms = {
      json: `{"seq":${seq},"partId":"${partId}"${recipeText}}`,
      plain: String(seq),
      csv: `${seq};${partId};${recipeId}`,
    };
    this.counts.triggers++;
    this.decide({ kind: 'trigger', seq, recipeId });
    this.publish('trigger', forms[this.options.form ?? 'json'], 1);
    return seq;
  }

  private receive(name: PlainTopic, text: string): void {
    if (name === 'heartbeat') {
      const fields = record(text);
      this.ready = fields.ready === 1 && fields.state === 4;
      // Cold start: after one TTL no answer to an earlier life of this PLC can still come.
      const { lastSeq } = fields;
      const waited = this.clock.now() - this.started >= this.rule.tResult;
      if (this.seq === null && waited && typeof lastSeq === 'number' && lastSeq >= 0 && lastSeq <= limits.seq) this.seq = lastSeq;
    }
    const input = readMessage(name, text);
    if (input !== null) this.decide(input);
  }

  private decide(input: Input): void {
    for (const decision of this.acceptance.input(input, this.clock.now())) {
      if (decision.gate === 'open') this.counts.accepted++;
      else if (decision.gate === 'revoked') this.counts.revoked++;
      else this.counts.rejected[decision.reason]++;
      this.decided(decision);
    }
  }

  /** Never queued: what the broker does not get now it never gets. */
  private publish(name: PlainTopic, payload: string, qos: 0 | 1): void {
    this.wire?.send(this.topics.of(name), payload, { qos });
  }
}
