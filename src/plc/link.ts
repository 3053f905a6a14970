/**
 * The station's side of the MQTT contract: triggers in; ack, acquired, verdicts, heartbeat, state and journal out.
 *
 * Life of a connection: connected -> sweep (retained leftovers of actuation topics and of stale alarms are cleared) -> triggers
 * subscribed -> online, state, about, alarms, last -> up. Nothing a gate acts on leaves before `up`, and nothing waits for it.
 */
import { type AlarmCode, alarms, Code, Evaluation, ResultState } from '../codes';
import { reason, VerdictdError } from '../errors';
import { version } from '../package';
import type { Cancel, Committed, Ms, Part, Publisher, StationState, TriggerRequest } from '../ports';
import { type CommandCounters, CommandDoor } from './command_door';
import { readCredentials } from './credentials';
import { ForeignRig } from './foreign';
import { Inbound, type InboundCounters } from './inbound';
import { Journal } from './journal';
import type { LinkDeps, LinkOptions } from './link_options';
import { parsePlcHeartbeat } from './parse';
import { release, Told } from './release';
import { replay } from './replay';
import {
  encodeAbout,
  encodeAck,
  encodeAcquired,
  encodeAlarm,
  encodeHeartbeat,
  encodeLast,
  encodeOnline,
  encodeResult,
  encodeResultCsv,
  encodeState,
  encodeStats,
  type PlainTopic,
  type ResultFields,
  type Topics,
  topicsUnder,
} from './topics';
import { adviceFor } from './trouble';
import { Wire } from './wire';

export type { LinkDeps, LinkOptions } from './link_options';

const own: readonly PlainTopic[] = ['ack', 'acquired', 'result', 'result/csv', 'heartbeat', 'journal', 'cmd/rsp'];
const settle: Ms = 200; // brokers send what they retained right after SUBACK; there is no end mark
const leftoversMax = 1_000; // retained topics cleared per connect
const everyAlarm = (Object.keys(alarms).map(Number) as AlarmCode[]).filter((code) => code !== Code.ok);
const stateEvery = 10; // heartbeats
const foreignPeriods = 3; // of `state`: a foreign rig that was not heard for so long has gone
const foreignRig =
  'another rig lives under the name of this station: no trigger is answered (702) until it is gone; give each station its own name';
const plcSilence: Ms = 3_000; // contract, `plc/heartbeat`
const complainEvery: Ms = 60_000;
const triggersPerSecond = 100; // three times the 30 parts/s a fast line makes

/** One owner of the connection (`Wire`) and of the outbox reader (`Journal`); `stop` is the only close path of both. */
export class MqttLink implements Publisher {
  private readonly topics: Topics;
  private readonly inbound: Inbound;
  private readonly journal: Journal;
  private readonly told = new Told();
  private readonly foreign: ForeignRig;
  private readonly door: CommandDoor | null;
  private readonly onLost = new Set<() => void>();
  private readonly alarms = new Set<AlarmCode>();
  private wire: Wire | null = null;
  private session = 0; // of the broker connection; what an older one left behind is dropped
  private up = false;
  private hears = false; // the broker lets us have triggers
  private stopping = false;
  private current: StationState | null = null;
  private last: string | null = null;
  private leftovers = new Set<string>();
  private hb = 0;
  private beats = 0;
  private nextBeat: Ms = 0;
  private cancelBeat: Cancel = () => undefined;
  private sawOffline = false;
  private complained: Ms = -Infinity;
  private grumbled: Ms = -Infinity;
  private plcBeat: { counter: number; changed: Ms } | null = null;
  private suppressed = 0;
  private handler: Parameters<Publisher['onTrigger']>[0] = () => undefined;
  private probe: () => boolean = () => false;

  /** Throws CONFIG_INVALID for a base topic that cannot be used. */
  constructor(
    private readonly options: LinkOptions,
    private readonly deps: LinkDeps,
  ) {
    this.topics = topicsUnder(options.base);
    this.inbound = new Inbound(options.triggersPerSecond ?? triggersPerSecond, deps.clock);
    this.foreign = new ForeignRig(foreignPeriods * stateEvery * options.heartbeat, deps.clock);
    const respond = (payload: string): void => void this.live('cmd/rsp', payload);
    this.door = deps.command === undefined ? null : new CommandDoor(deps.command, deps.clock, respond);
    this.journal = new Journal(
      deps.outbox,
      (payload, acked) => this.up && (this.wire?.send(this.topics.of('journal'), payload, { qos: 1, acked }) ?? false),
      deps.clock,
      deps.diagnostics,
      () => this.current?.bootId ?? '',
    );
  }

  /** Begins to connect and returns: an absent broker is no error, only `connected()` false. Throws CONFIG_INVALID, ABORTED. */
  async start(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new VerdictdError('ABORTED', 'Stopped before the MQTT link was made; start again.');
    const { url, station } = this.options;
    this.wire = new Wire(
      {
        url,
        name: `verdictd-${station}`,
        clock: this.deps.clock,
        will: { topic: this.topics.of('online'), payload: encodeOnline(0) },
        ...readCredentials(this.options),
      },
      {
        connected: () => this.greet(),
        lost: () => this.lost(),
        trouble: (why) => this.complain(why),
        message: (topic, payload, retained) => this.receive(topic, payload, retained),
      },
    );
    this.wire.open();
    this.nextBeat = this.deps.clock.now();
    this.schedule();
  }

  onTrigger(handler: (request: TriggerRequest | { bad: Code; seq: number }) => void): void {
    this.handler = handler;
  }

  progress(probe: () => boolean): void {
    this.probe = probe;
  }

  connected(): boolean {
    return this.up;
  }

  ack(seq: number, code: Code): void {
    this.live('ack', encodeAck(seq, code));
  }

  acquired(seq: number): void {
    this.live('acquired', encodeAcquired(seq));
  }

  result(committed: Committed): { ok: 0 | 1; age: Ms } {
    const { verdict } = committed;
    const age = this.deps.clock.now() - verdict.part.opened;
    const { ttl, acceptSimulated } = this.options;
    const moment = { age, ttl, acceptSimulated, connected: this.up, state: this.current?.state ?? null };
    const answer = this.told.next(verdict.part.resultId, release(verdict, moment));
    const closed = verdict.state === ResultState.Aborted || verdict.state === ResultState.Failed;
    const sent = this.verdict(verdict.part, age, answer, {
      resultEvaluation: closed ? Evaluation.Undefined : verdict.evaluation,
      resultState: verdict.state,
      score: verdict.score,
      limit: verdict.limit,
    });
    return { ok: sent ? answer.ok : 0, age };
  }

  refuse(part: Part, code: Code): void {
    const answer = this.told.next(part.resultId, { ok: 0, code: code === Code.ok ? Code.tooLate : code });
    this.verdict(part, this.deps.clock.now() - part.opened, answer, {
      resultEvaluation: Evaluation.Undefined,
      resultState: ResultState.Failed,
      score: null,
      limit: null,
    });
  }

  state(state: StationState): void {
    const before = this.current;
    this.current = { ...state };
    if (!this.up) return;
    this.tellState(state);
    if (before?.bundle !== state.bundle || before.config !== state.config) this.keep('about', this.about(state));
  }

  drain(): void {
    this.journal.poke();
  }

  /** Sets or clears an alarm (retained); what is set comes again on every connect. */
  alarm(code: AlarmCode, on: boolean): void {
    if (on === this.alarms.has(code)) return;
    if (on) this.alarms.add(code);
    else this.alarms.delete(code);
    if (this.up) this.publishAlarm(code);
  }

  /** True once a PLC that sent its heartbeat has not moved it for 3 s; false for one that never did (it is optional). */
  plcSilent(): boolean {
    return this.plcBeat !== null && this.deps.clock.now() - this.plcBeat.changed > plcSilence;
  }

  /** True while another rig lives under this station's name: no trigger is answered (702). */
  foreignRig(): boolean {
    return this.foreign.lives;
  }

  /** Sends the journal from one number to another again, as history; resolves with how many entries that were. */
  replay(from: number, to: number): Promise<number> {
    return replay(from, to, {
      entries: this.deps.entries ?? (() => Promise.reject(new Error('this link has no journal to read'))),
      send: (payload, acked) => this.up && (this.wire?.send(this.topics.of('journal'), payload, { qos: 1, acked }) ?? false),
      onLost: (lost) => {
        this.onLost.add(lost);
        return () => this.onLost.delete(lost);
      },
    });
  }

  /** Counts since start. `suppressed`: actuation messages that found no broker; `foreignTriggers`: not answered because of 702. */
  counters(): InboundCounters & Partial<CommandCounters> & { suppressed: number; foreignTriggers: number } {
    return { ...this.inbound.counters, ...this.door?.counters, suppressed: this.suppressed, foreignTriggers: this.foreign.ignored };
  }

  /** Says online 0 and DISCONNECT, so that no will is needed; the journal gets what time there is. */
  async stop(by: Ms): Promise<void> {
    this.stopping = true;
    this.cancelBeat();
    this.endReplays();
    await this.journal.stop(Math.max(this.deps.clock.now(), by - 200));
    if (this.up) this.keep('online', encodeOnline(0));
    this.up = false;
    this.session++;
    const wire = this.wire;
    this.wire = null;
    await wire?.close(by);
  }

  private greet(): void {
    const session = ++this.session;
    this.introduce(session).catch((thrown: unknown) => {
      this.deps.diagnostics.error({ err: reason(thrown) }, 'the MQTT session could not be set up; connecting again');
      if (session === this.session) this.wire?.drop();
    });
  }

  private async introduce(session: number): Promise<void> {
    const { wire, topics } = this;
    if (wire === null) return;
    await this.sweep(wire, session);
    if (session !== this.session) return;
    this.foreign.connected();
    const asked = [topics.of('state'), ...(this.door === null ? [] : [topics.of('cmd')])];
    const granted = await wire.subscribe(asked, 1);
    if (session !== this.session) return;
    this.hears = await wire.subscribe([topics.of('trigger'), topics.of('plc/heartbeat'), topics.of('online')], 1);
    if (session !== this.session || this.stopping) return;
    this.up = true;
    this.sawOffline = false;
    this.complained = -Infinity;
    this.deps.diagnostics.info({ broker: this.options.url, clientId: wire.clientId }, 'connected to the MQTT broker');
    if (!granted) {
      this.deps.diagnostics.error(
        { topics: asked },
        'the broker refuses this station its own state or its commands: it cannot see a second station of its name, or gets no command: correct the broker ACL (docs/mqtt.md)',
      );
    }
    if (!this.hears) {
      this.deps.diagnostics.error(
        { topic: topics.of('trigger') },
        'the broker refuses this station its trigger topic, so that no part can be asked for: correct the broker ACL (docs/mqtt.md)',
      );
    }
    this.keep('online', encodeOnline(1));
    if (this.current !== null) {
      this.tellState(this.current);
      this.keep('about', this.about(this.current));
    }
    for (const code of this.alarms) this.publishAlarm(code);
    if (this.last !== null) this.keep('last', this.last);
    this.pulse();
    this.journal.resume();
    this.deps.onConnection?.(true);
  }

  /** Clears what a broker retained on topics where nothing may be: found by subscribing, or all of them where that is refused. */
  private async sweep(wire: Wire, session: number): Promise<void> {
    const ownTopics = own.map((name) => this.topics.of(name));
    this.leftovers = new Set();
    const granted = await wire.subscribe([...ownTopics, this.topics.anyAlarm], 0);
    if (session !== this.session) return;
    if (granted) await new Promise<void>((resolve) => this.deps.clock.at(this.deps.clock.now() + settle, resolve));
    else this.leftovers = new Set([...ownTopics, ...everyAlarm.map((code) => this.topics.alarm(code))]);
    if (session !== this.session) return;
    const wanted = new Set([...this.alarms].map((code) => this.topics.alarm(code)));
    for (const topic of this.leftovers) {
      if (wanted.has(topic)) continue;
      if (granted) this.deps.diagnostics.warn({ topic }, 'cleared a retained message that must not be there');
      wire.send(topic, '', { qos: 1, retain: true });
    }
    await wire.unsubscribe([...ownTopics, this.topics.anyAlarm]);
  }

  private lost(): void {
    const was = this.up;
    this.session++;
    this.up = false;
    this.journal.pause();
    this.endReplays();
    this.complained = -Infinity;
    if (was) this.deps.onConnection?.(false);
  }

  /** Whoever waits for a replay is told that it did not come through. */
  private endReplays(): void {
    for (const lost of [...this.onLost]) lost();
    this.onLost.clear();
  }

  /** One line at once, then one a minute. */
  private complain(why: string): void {
    const now = this.deps.clock.now();
    if (this.stopping || now - this.complained < complainEvery) return;
    this.complained = now;
    this.deps.diagnostics.warn(
      `no connection to the MQTT broker ${this.options.url}: ${why}. The PLC gets no verdict meanwhile. ${adviceFor(why, this.options.url)}; verdictd keeps trying.`,
    );
  }

  /** What came on `trigger` and was no trigger: one line at once, then one a minute, with what a PLC programmer looks for. */
  private grumble(): void {
    const now = this.deps.clock.now();
    if (now - this.grumbled < complainEvery) return;
    this.grumbled = now;
    const { bad, retained, flooded, badSample } = this.inbound.counters;
    const begins = Buffer.from(badSample, 'hex').toString('latin1');
    this.deps.diagnostics.warn(
      { topic: this.topics.of('trigger'), bad, retained, flooded, ...(bad > 0 ? { begins } : {}) },
      'messages on the trigger topic that are no triggers (counts since start): unreadable ones got ack 0, 205, retained and flooding ones nothing; see docs/mqtt.md',
    );
  }

  private receive(topic: string, payload: Buffer, retained: boolean): void {
    const { topics } = this;
    if (topic === topics.of('trigger')) {
      if (this.foreign.lives) {
        this.foreign.ignored++;
        return;
      }
      const request = this.inbound.trigger(payload, retained);
      if (request === null || 'bad' in request) this.grumble();
      if (request === null) return;
      try {
        this.handler(request);
      } catch (thrown) {
        this.deps.diagnostics.error({ err: thrown }, 'a trigger could not be handled');
      }
    } else if (topic === topics.of('plc/heartbeat')) {
      const counter = retained ? null : parsePlcHeartbeat(payload);
      if (counter !== null && counter !== this.plcBeat?.counter) this.plcBeat = { counter, changed: this.deps.clock.now() };
    } else if (topic === topics.of('cmd')) {
      this.door?.receive(payload, retained);
    } else if (topic === topics.of('state')) {
      if (!retained && this.foreign.heard(payload, this.current?.bootId ?? '')) this.deps.diagnostics.error({ topic }, foreignRig);
    } else if (topic === topics.of('online')) {
      this.sawOffline = payload.toString('latin1') !== encodeOnline(1);
    } else if (retained && payload.length > 0 && this.leftovers.size < leftoversMax) {
      this.leftovers.add(topic);
    }
  }

  private tellState(state: StationState): void {
    this.foreign.sent();
    // As the heartbeat says it: no trigger comes through.
    this.keep('state', encodeState(this.hears ? state : { ...state, sub: '', ready: 0, code: Code.notReady }));
  }

  /** Drift-free; a blocked loop skips beats rather than catching up in a burst. */
  private schedule(): void {
    const { clock } = this.deps;
    this.nextBeat = Math.max(this.nextBeat + this.options.heartbeat, clock.now());
    this.cancelBeat = clock.at(this.nextBeat, () => {
      this.beat();
      if (!this.stopping) this.schedule();
    });
  }

  private beat(): void {
    if (this.moves()) this.hb = (this.hb + 1) & 0xffff;
    if (!this.up) return;
    this.pulse();
    if (++this.beats % stateEvery === 0) {
      if (this.current !== null) this.tellState(this.current);
      if (this.deps.stats !== undefined) this.wire?.send(this.topics.of('stats'), encodeStats(this.deps.stats()), { qos: 0, retain: true });
    }
    // An older connection's will may come after our own `1`.
    if (this.sawOffline) this.keep('online', encodeOnline(1));
    this.wire?.watch(Math.max(this.options.ttl, 1000));
  }

  private moves(): boolean {
    try {
      return this.probe();
    } catch (thrown) {
      this.deps.diagnostics.error({ err: thrown }, 'the progress probe failed: the heartbeat stands still');
      return false;
    }
  }

  private pulse(): void {
    const { current } = this;
    const state = current?.state ?? 'Preoperational';
    const code = current === null || !this.hears ? Code.notReady : current.code;
    const ready = this.hears && current !== null ? current.ready : 0;
    const payload = encodeHeartbeat({ hb: this.hb, ready, state, code, lastSeq: this.deps.lastSeq() });
    this.wire?.send(this.topics.of('heartbeat'), payload, { qos: 0 });
  }

  /** An actuation message: to a connected broker now, or never. */
  private live(name: PlainTopic, payload: string, now = false): boolean {
    const sent = this.up && (this.wire?.send(this.topics.of(name), payload, { qos: 1, actuation: true, now }) ?? false);
    if (!sent) this.suppressed++;
    return sent;
  }

  /** A retained message for people: said again on the next connect, so it need not wait either. */
  private keep(name: PlainTopic, payload: string): void {
    this.wire?.send(this.topics.of(name), payload, { qos: 1, retain: true });
  }

  private verdict(
    part: Part,
    age: Ms,
    answer: { ok: 0 | 1; code: Code },
    found: Pick<ResultFields, 'resultEvaluation' | 'resultState' | 'score' | 'limit'>,
  ): boolean {
    const fields: ResultFields = {
      ...found,
      seq: part.seq,
      ok: answer.ok,
      resultEvaluationCode: answer.code,
      isSimulated: part.simulated ? 1 : 0,
      recipeId: part.recipe.number,
      age,
      partId: part.partId,
      resultId: part.resultId,
    };
    const sent = this.live('result', encodeResult(fields), true); // a gate waits for it; everything else can wait for that
    this.live('result/csv', encodeResultCsv(fields));
    const last = encodeLast(fields);
    this.last = last;
    setImmediate(() => {
      if (this.up) this.keep('last', last);
    });
    return sent;
  }

  private about(state: StationState): string {
    const { triggerMode, maxOpen, ttl, heartbeat } = this.options;
    return encodeAbout({ version, triggerMode, maxOpen, ttl, heartbeat }, state);
  }

  private publishAlarm(code: AlarmCode): void {
    const payload = this.alarms.has(code) ? encodeAlarm(code, alarms[code].name, alarms[code].text) : '';
    this.wire?.send(this.topics.alarm(code), payload, { qos: 1, retain: true });
  }
}
