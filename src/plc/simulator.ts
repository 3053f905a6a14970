/**
 * A simulated PLC with its line, for the demo, for commissioning and for tests: parts pass the camera and then the gate; it sends a
 * trigger for each, watches the heartbeat, and decides about the gate by the accepting rule (acceptance.ts). It shares no state with
 * the station, only the broker. A scenario (scenarios.ts) spoils what it sees; a referee (referee.ts) that sees all looks on.
 */
import type { Clock, Ms } from '../ports';
import { nextSeq } from '../seq';
import { Acceptance, type Decision, defaultRule, type Input, type Rejection, type Rule, rejections } from './acceptance';
import type { Credentials } from './credentials';
import { readMessage, readRecord } from './plc_reading';
import { Referee } from './referee';
import type { Scenario } from './scenarios';
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
  credentials?: Credentials;
  /** From the camera to the gate. Default T_result: by then every part is decided. */
  travel?: Ms;
  /** Begins the partId of its parts. Default P. */
  prefix?: string;
  /** So many parts come, from the first that the station is ready for; then none. Default: no end. */
  parts?: number;
  scenario?: Scenario;
  /** Shared by several PLCs on the same topics, so that one verdict used by two is seen (referee.ts). */
  claims?: Map<string, string>;
}

export interface SimulatorCounts {
  parts: number; // that came to the camera
  through: number; // the gate was open for them
  diverted: number; // it was shut
  triggers: number;
  accepted: number;
  revoked: number;
  rejected: Record<Rejection, number>;
  wrong: number; // let through by an acceptance that the referee cannot account for
  notReady: number; // periods or edges without a trigger: station not ready, silent, or not connected
}

/** What a decision was about. */
export interface Decided {
  partId: string;
  waited: Ms; // since the trigger
}

export interface SimulatorEvents {
  decided?(decision: Decision, about: Decided): void;
  /** A part is at the gate. */
  gate?(part: number, open: boolean): void;
  /** The gate let a part through that it must not have: says why. */
  wrong?(why: string): void;
  /** The broker cannot be reached, or the connection broke. */
  trouble?(why: string): void;
}

interface Sent {
  part: number;
  partId: string;
  at: Ms;
  open: boolean;
  doubt: string | null; // what the referee says of its acceptance
}

const scan: Ms = 10; // cycle of the PLC program
const bounce: Ms = 5; // from edge to edge
const closing: Ms = 500;
const remembered = 256; // triggers: more than can be between camera and gate

/** One owner of one connection and of the timers of its line; `stop` is their only close path. */
export class SimulatedPlc {
  readonly counts: SimulatorCounts;
  private readonly topics: Topics;
  private readonly rule: Rule;
  private readonly referee: Referee;
  private readonly sent = new Map<number, Sent>(); // by seq, oldest first
  private acceptance: Acceptance;
  private wire: Wire | null = null;
  private seq: number | null; // last number sent; null: not known yet
  private ready = false;
  private heartbeat: Record<string, unknown> | null = null;
  private started: Ms = 0;
  private beat = 0;
  private timers: NodeJS.Timeout[] = [];
  private readonly later = new Set<NodeJS.Timeout>();

  constructor(
    private readonly options: SimulatorOptions,
    private readonly clock: Clock,
    private readonly events: SimulatorEvents = {},
  ) {
    this.topics = topicsUnder(options.base);
    this.rule = { ...defaultRule, ...options.rule };
    this.acceptance = new Acceptance(this.rule);
    this.referee = new Referee(this.rule, options.claims);
    this.seq = options.lastSeq ?? null;
    const rejected = Object.fromEntries(rejections.map((reason) => [reason, 0])) as Record<Rejection, number>;
    this.counts = { parts: 0, through: 0, diverted: 0, triggers: 0, accepted: 0, revoked: 0, rejected, wrong: 0, notReady: 0 };
  }

  get connected(): boolean {
    return this.wire?.connected ?? false;
  }

  /** The station's last heartbeat, as read; null before the first. */
  get lastHeartbeat(): Readonly<Record<string, unknown>> | null {
    return this.heartbeat;
  }

  /** Connects (and goes on trying) and lets a part come each period; the first when the station is ready and alive. */
  start(): void {
    if (this.wire !== null) throw new Error('the simulated PLC runs already');
    const { url, csvResult, period, heartbeat, credentials, scenario } = this.options;
    const read: PlainTopic[] = ['ack', 'acquired', 'heartbeat', csvResult ? 'result/csv' : 'result'];
    const names = new Map(read.map((name) => [this.topics.of(name), name]));
    const wire = new Wire(
      { url, name: 'plc-sim', clock: this.clock, ...credentials },
      {
        connected: () => void wire.subscribe([...names.keys()], 1),
        lost: () => {
          this.ready = false;
        },
        trouble: (why) => this.events.trouble?.(why),
        message: (topic, payload, retained) => {
          const name = names.get(topic);
          if (name === undefined || retained) return;
          const text = payload.toString('latin1');
          this.referee.heard(name, text);
          if (scenario?.message === undefined) this.receive(name, text);
          else for (const delay of scenario.message(this.clock.now())) this.after(delay, () => this.receive(name, text));
        },
      },
    );
    this.wire = wire;
    this.started = this.clock.now();
    wire.open();
    this.timers = [setInterval(() => this.arrive(), period), setInterval(() => this.decide({ kind: 'tick' }), scan)];
    if (heartbeat) this.timers.push(setInterval(() => this.publish('plc/heartbeat', String(++this.beat), 0), this.rule.heartbeat));
  }

  async stop(): Promise<void> {
    for (const timer of [...this.timers, ...this.later]) clearTimeout(timer);
    this.timers = [];
    this.later.clear();
    const { wire } = this;
    this.wire = null;
    await wire?.close(this.clock.now() + closing);
  }

  private after(delay: Ms, act: () => void): void {
    if (delay <= 0) {
      act();
      return;
    }
    const timer = setTimeout(() => {
      this.later.delete(timer);
      act();
    }, delay);
    this.later.add(timer);
  }

  /** A part comes to the camera; before the first trigger the line waits for the station. */
  private arrive(): void {
    const { counts } = this;
    const { parts, scenario, travel } = this.options;
    // Machine time: the part before has left the camera, whether or not the edge of this one is seen.
    for (const [seq, sent] of this.sent) if (sent.part === counts.parts) this.decide({ kind: 'left', seq });
    if (parts !== undefined && counts.parts >= parts) return;
    if (counts.parts === 0 && !this.mayTrigger()) {
      counts.notReady++;
      return;
    }
    const part = ++counts.parts;
    this.referee.standing(part);
    this.restart(scenario?.restart?.(part) ?? null);
    const edges = scenario?.edges?.(part) ?? 1;
    for (let edge = 0; edge < edges; edge++) this.after(edge * bounce, () => this.trigger(part));
    this.after(travel ?? this.rule.tResult + 2 * scan, () => this.atGate(part));
  }

  private mayTrigger(): boolean {
    return this.seq !== null && this.ready && this.acceptance.alive(this.clock.now()) && this.connected;
  }

  /** The sensor saw the part at the camera: its trigger goes out, where the station is ready for one. */
  private trigger(part: number): void {
    const before = this.seq;
    // Whoever was triggered before stands at the camera no more.
    if (before !== null) this.decide({ kind: 'left', seq: before });
    if (before === null || !this.mayTrigger()) {
      this.counts.notReady++;
      return;
    }
    const now = this.clock.now();
    const seq = nextSeq(before);
    this.seq = seq;
    const recipeId = this.options.recipeId ?? 0;
    const form = this.options.form ?? 'json';
    const partId = `${this.options.prefix ?? 'P'}${String(part).padStart(7, '0')}`;
    const recipeText = recipeId === 0 ? '' : `,"recipeId":${recipeId}`;
    const forms = {
      json: `{"seq":${seq},"partId":"${partId}"${recipeText}}`,
      plain: String(seq),
      csv: `${seq};${partId};${recipeId}`,
    };
    this.counts.triggers++;
    this.decide({ kind: 'trigger', seq, recipeId });
    this.sent.delete(seq);
    this.sent.set(seq, { part, partId, at: now, open: false, doubt: null });
    for (const oldest of this.sent.keys()) {
      if (this.sent.size <= remembered) break;
      this.sent.delete(oldest);
    }
    this.referee.triggered(seq, part, form === 'plain' ? '' : partId, now);
    for (let copy = 0; copy < (this.options.scenario?.copies ?? 1); copy++) this.publish('trigger', forms[form], 1);
  }

  /** The PLC's program starts again: with nothing (cold), or with numbers of an older day. */
  private restart(how: 'cold' | 'old' | null): void {
    if (how === null) return;
    this.sent.clear(); // what is between camera and gate is nobody's: diverted
    this.acceptance = new Acceptance(this.rule);
    this.started = this.clock.now();
    this.seq = how === 'cold' || this.seq === null ? null : Math.max(0, this.seq - 3);
  }

  /** Positive logic: open for a part only if every number it got was accepted and none revoked. */
  private atGate(part: number): void {
    const numbers = [...this.sent.values()].filter((sent) => sent.part === part);
    const open = numbers.length > 0 && numbers.every((sent) => sent.open);
    if (open) this.counts.through++;
    else this.counts.diverted++;
    for (const { doubt } of open ? numbers : []) {
      if (doubt === null) continue;
      this.counts.wrong++;
      this.events.wrong?.(doubt);
    }
    this.events.gate?.(part, open);
  }

  private receive(name: PlainTopic, text: string): void {
    if (name === 'heartbeat') {
      const fields = readRecord(text);
      this.heartbeat = fields;
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
    const now = this.clock.now();
    for (const decision of this.acceptance.input(input, now)) {
      const sent = this.sent.get(decision.seq);
      if (decision.gate === 'open') this.counts.accepted++;
      else if (decision.gate === 'revoked') this.counts.revoked++;
      else this.counts.rejected[decision.reason]++;
      if (sent !== undefined) {
        sent.open = decision.gate === 'open';
        if (sent.open) sent.doubt = this.referee.accepted(decision.seq, now);
      }
      this.events.decided?.(decision, { partId: sent?.partId ?? '', waited: sent === undefined ? 0 : now - sent.at });
    }
  }

  /** Never queued: what the broker does not get now it never gets. */
  private publish(name: PlainTopic, payload: string, qos: 0 | 1): void {
    this.wire?.send(this.topics.of(name), payload, { qos });
  }
}
