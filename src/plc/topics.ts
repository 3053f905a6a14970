/**
 * The MQTT contract, version 1, in one file: every topic (direction, QoS, retain) and every payload the rig writes.
 * Form: flat JSON, keys in fixed order, all keys always there, no blanks, no null, integers only; ASCII only.
 * Sizes: `result` <= 254 bytes; `result/csv`, `ack`, `acquired`, `heartbeat` <= 80 bytes (S7 STRING[254], CODESYS STRING 80,
 * Logix STRING 82), whole topics <= 64 characters. test/plc/topics.test.ts proves the extremes.
 */
import { type AlarmCode, type Code, codes, type Evaluation, type ResultState, watchAlarms } from '../codes';
import { VerdictdError } from '../errors';
import type { CameraHealth, StateName, StationState, Stats, WatchFigures } from '../ports';
import { seqMax } from '../seq';
import { wordOf } from '../verdict_word';

export interface TopicRow {
  direction: 'PLC -> rig' | 'rig -> PLC' | 'rig -> HMI' | 'rig -> MES' | 'rig';
  qos: 0 | 1;
  retain: boolean;
  /** A gate may act on it: never retained, never queued while disconnected, never replayed. */
  actuation: boolean;
  /** False: reserved by the contract, neither written nor read yet. */
  served: boolean;
  payload: string;
  meaning: string;
}

export const topicTable = {
  trigger: {
    direction: 'PLC -> rig',
    qos: 1,
    retain: false,
    actuation: true,
    served: true,
    payload: '{"seq":184467,"partId":"A0001234","recipeId":3}',
    meaning: 'look at this part; also plain `184467` or `184467;A0001234;3`',
  },
  ack: {
    direction: 'rig -> PLC',
    qos: 1,
    retain: false,
    actuation: true,
    served: true,
    payload: '{"v":1,"seq":184467,"ack":1,"code":0}',
    meaning: 'trigger accepted (1), or refused (0) with a code; no result follows a refusal',
  },
  acquired: {
    direction: 'rig -> PLC',
    qos: 1,
    retain: false,
    actuation: true,
    served: true,
    payload: '{"v":1,"seq":184467}',
    meaning: 'exposure ended, the part may move',
  },
  result: {
    direction: 'rig -> PLC',
    qos: 1,
    retain: false,
    actuation: true,
    served: true,
    payload:
      '{"v":1,"seq":184467,"ok":0,"resultEvaluation":2,"resultEvaluationCode":101,"resultState":1,"isSimulated":0,"score":874,"limit":620,"recipeId":3,"age":158,"partId":"A0001234","resultId":"01JD3K8W2Q7M4Z"}',
    meaning: 'the verdict',
  },
  'result/csv': {
    direction: 'rig -> PLC',
    qos: 1,
    retain: false,
    actuation: true,
    served: true,
    payload: '1;184467;0;2;101;1;0;874;620;3;158;A0001234',
    meaning: 'the same verdict for small PLCs',
  },
  heartbeat: {
    direction: 'rig -> PLC',
    qos: 0,
    retain: false,
    actuation: true,
    served: true,
    payload: '{"v":1,"hb":4711,"ready":1,"state":4,"code":0,"lastSeq":184467}',
    meaning: 'every period (1 s); `hb` moves only while camera, inference and log make progress',
  },
  'plc/heartbeat': {
    direction: 'PLC -> rig',
    qos: 0,
    retain: false,
    actuation: true,
    served: true,
    payload: '17',
    meaning: 'a counter; optional',
  },
  last: {
    direction: 'rig -> HMI',
    qos: 1,
    retain: true,
    actuation: false,
    served: true,
    payload:
      '{"v":1,"seq":184467,"released":0,"resultEvaluation":2,"resultEvaluationCode":101,"resultState":1,"isSimulated":0,"score":874,"limit":620,"recipeId":3,"age":158,"partId":"A0001234","resultId":"01JD3K8W2Q7M4Z","verdict":"FAIL"}',
    meaning: 'the last result, for display only',
  },
  journal: {
    direction: 'rig -> MES',
    qos: 1,
    retain: false,
    actuation: false,
    served: true,
    payload: '{"journalSeq":90211,"type":"verdict",...,"isHistorical":0,"verdict":"FAIL"}',
    meaning: 'the full record, <= 4 kB, from the durable outbox: at least once, in order',
  },
  online: {
    direction: 'rig',
    qos: 1,
    retain: true,
    actuation: false,
    served: true,
    payload: '1',
    meaning: '`1`; last will `0`; for people, not for the gate',
  },
  state: {
    direction: 'rig',
    qos: 1,
    retain: true,
    actuation: false,
    served: true,
    payload:
      '{"v":1,"state":"Operational","sub":"Ready","ready":1,"code":0,"recipeId":3,"ep":"tensorrt","bundle":"9f3c1a7e","config":"51d0c2aa","bootId":"0000H"}',
    meaning: 'state and fingerprints; again every 10 heartbeats',
  },
  'alarm/<code>': {
    direction: 'rig',
    qos: 1,
    retain: true,
    actuation: false,
    served: true,
    payload: '{"v":1,"code":301,"name":"cameraLost","text":"camera lost"}',
    meaning: 'one topic a code; an empty payload clears it',
  },
  stats: {
    direction: 'rig',
    qos: 0,
    retain: true,
    actuation: false,
    served: true,
    payload: '{"v":1,"triggers":900,"ok":880,"ng":15,"undecided":3,"errors":2,"timeMin":90,"timeAvg":120,"timeMax":310,"fpy":977777}',
    meaning: 'every 10 heartbeats: counts since reset, times in ms, first-pass yield in ppm',
  },
  about: {
    direction: 'rig',
    qos: 1,
    retain: true,
    actuation: false,
    served: true,
    payload:
      '{"v":1,"contract":1,"version":"0.1.0","bundle":"9f3c1a7e","config":"51d0c2aa","bootId":"0000H","partIdLength":32,"csvPartIdLength":24,"resultIdLength":14,"resultBytes":254,"csvBytes":80,"triggerMode":"software","maxOpen":4,"ttl":1500,"heartbeat":1000,"docs":"docs/mqtt.md","asyncapi":"docs/asyncapi.yaml"}',
    meaning: 'versions, fingerprints, field widths, TTL and heartbeat period in ms, where the description is',
  },
  cmd: {
    direction: 'PLC -> rig',
    qos: 1,
    retain: false,
    actuation: true,
    served: true,
    payload: '{"id":7,"cmd":2,"arg":"3"}',
    meaning: 'commands',
  },
  'cmd/rsp': {
    direction: 'rig -> PLC',
    qos: 1,
    retain: false,
    actuation: true,
    served: true,
    payload: '{"v":1,"id":7,"cmd":2,"ok":1,"code":0}',
    meaning: 'answers to commands',
  },
} as const satisfies Record<string, TopicRow>;

export type TopicName = keyof typeof topicTable;
/** Topics with one fixed name; alarms have one a code. */
export type PlainTopic = Exclude<TopicName, 'alarm/<code>'>;

export const limits = {
  seq: seqMax,
  none: 65535, // score or limit: there is none
  partId: 32,
  csvPartId: 24,
  resultId: 14,
  base: 50, // characters
  levels: 4,
  resultBytes: 254,
  smallBytes: 80,
} as const;

export interface Topics {
  of(name: PlainTopic): string;
  alarm(code: AlarmCode): string;
  /** Filter of all alarms, for the rig's own sweep at connect. */
  readonly anyAlarm: string;
}

/**
 * Topics under `base`, e.g. `verdictd/demo`: at most 50 characters and 4 levels of [A-Za-z0-9_.:-], so that no name reaches the
 * wire with a wildcard, a blank or a leading $. Throws CONFIG_INVALID.
 */
export function topicsUnder(base: string): Topics {
  const levels = base.split('/');
  if (base.length > limits.base || levels.length > limits.levels || !levels.every((level) => /^[A-Za-z0-9_.:-]+$/.test(level))) {
    throw new VerdictdError(
      'CONFIG_INVALID',
      `The MQTT base topic ${JSON.stringify(base)} cannot be used: expected at most ${limits.base} characters in at most ${limits.levels} levels of letters, digits and "_.:-", for example verdictd/station1. Change it in the configuration.`,
    );
  }
  return { of: (name) => `${base}/${name}`, alarm: (code) => `${base}/alarm/${code}`, anyAlarm: `${base}/alarm/+` };
}

/** What `result`, `result/csv` and `last` tell. Scores calibrated, not yet x1000; age in ms. */
export interface ResultFields {
  seq: number;
  ok: 0 | 1;
  resultEvaluation: Evaluation;
  resultEvaluationCode: Code;
  resultState: ResultState;
  isSimulated: 0 | 1;
  score: number | null;
  limit: number | null;
  recipeId: number;
  age: number;
  partId: string;
  resultId: string;
}

/** Integer 0..max; what is not a number becomes 0. */
function integer(value: number, max: number): number {
  return Number.isNaN(value) ? 0 : Math.min(max, Math.max(0, Math.ceil(value)));
}

/** Score or limit x1000, 0..65534; 65535 where there is none (null, NaN). */
export function milli(score: number | null): number {
  if (score === null || Number.isNaN(score)) return limits.none;
  return Math.min(limits.none - 1, Math.max(0, Math.round(score * 1000)));
}

/** ASCII of the wire's own charset: nothing that needs an escape or breaks the CSV. */
function plain(text: string, length: number): string {
  return text.replace(/[^A-Za-z0-9_.:-]/g, '_').slice(0, length);
}

/** Versions and names in `state` and `about`: printable ASCII without quote and backslash. */
function label(text: string): string {
  return text.replace(/[^ !#-[\]-~]/g, '_').slice(0, 64);
}

function resultKeys(f: ResultFields, okKey: 'ok' | 'released'): string {
  return (
    `"v":1,"seq":${integer(f.seq, limits.seq)},"${okKey}":${f.ok},"resultEvaluation":${f.resultEvaluation},` +
    `"resultEvaluationCode":${f.resultEvaluationCode},"resultState":${f.resultState},"isSimulated":${f.isSimulated},` +
    `"score":${milli(f.score)},"limit":${milli(f.limit)},"recipeId":${integer(f.recipeId, 65535)},"age":${integer(f.age, 65535)},` +
    `"partId":"${plain(f.partId, limits.partId)}","resultId":"${plain(f.resultId, limits.resultId)}"`
  );
}

export function encodeResult(f: ResultFields): string {
  return `{${resultKeys(f, 'ok')}}`;
}

/** `v;seq;ok;evaluation;code;state;simulated;score;limit;recipeId;age;partId`, partId cut to its last 24 characters. */
export function encodeResultCsv(f: ResultFields): string {
  const partId = plain(f.partId, limits.partId).slice(-limits.csvPartId);
  return [
    1,
    integer(f.seq, limits.seq),
    f.ok,
    f.resultEvaluation,
    f.resultEvaluationCode,
    f.resultState,
    f.isSimulated,
    milli(f.score),
    milli(f.limit),
    integer(f.recipeId, 65535),
    integer(f.age, 65535),
    partId,
  ].join(';');
}

export function encodeLast(f: ResultFields): string {
  return `{${resultKeys(f, 'released')},"verdict":"${wordOf({ evaluation: f.resultEvaluation, released: f.ok, part: { simulated: f.isSimulated === 1 } })}"}`;
}

export function encodeAck(seq: number, code: Code): string {
  return `{"v":1,"seq":${integer(seq, limits.seq)},"ack":${code === 0 ? 1 : 0},"code":${code}}`;
}

export function encodeCommandResponse(id: number, cmd: number, answer: { ok: 0 | 1; code: Code }): string {
  return `{"v":1,"id":${integer(id, limits.seq)},"cmd":${integer(cmd, 65535)},"ok":${answer.ok},"code":${answer.code}}`;
}

export function encodeAcquired(seq: number): string {
  return `{"v":1,"seq":${integer(seq, limits.seq)}}`;
}

export const stateNumber: Record<StateName, 1 | 2 | 3 | 4> = { Preoperational: 1, Halted: 2, Error: 3, Operational: 4 };

export function encodeHeartbeat(f: { hb: number; ready: 0 | 1; state: StateName; code: Code; lastSeq: number }): string {
  return `{"v":1,"hb":${f.hb & 0xffff},"ready":${f.ready},"state":${stateNumber[f.state]},"code":${f.code},"lastSeq":${integer(f.lastSeq, limits.seq)}}`;
}

export function encodeOnline(online: 0 | 1): string {
  return String(online);
}

export function encodeState(s: StationState): string {
  return (
    `{"v":1,"state":"${s.state}","sub":"${s.sub}","ready":${s.ready},"code":${s.code},"recipeId":${integer(s.recipeId, 65535)},` +
    `"ep":"${label(s.ep)}","bundle":"${label(s.bundle)}","config":"${label(s.config)}","bootId":"${label(s.bootId)}"}`
  );
}

export function encodeAlarm(code: AlarmCode, name: string, text: string): string {
  return `{"v":1,"code":${code},"name":"${label(name)}","text":"${label(text)}"}`;
}

/** Reasons for frames that were not judged, in the order of their keys; causes of the native side that mean the same are one. */
const faultKeys: readonly [string, readonly string[]][] = [
  ['faultLost', ['lost']],
  ['faultTimeout', ['timeout', 'transient']],
  ['faultIncomplete', ['incomplete', 'short', 'unusable']],
  ['faultDuplicate', ['duplicate']],
  ['faultFrozen', ['frozen']],
  ['faultWrongSize', ['wrongSize', 'wrongFormat']],
  ['faultLate', ['late']],
  ['faultMissed', ['missed']],
  ['faultNoSlot', ['noFreeSlot']],
];

/** Keys of `stats` behind those of the first version. Temperature in tenths of a degree, -32768 where there is none; throughput in kB/s. */
function cameraKeys({ connected, frames, faults, temperature, values = {} }: CameraHealth): string {
  const count = (value: number | undefined) => integer(value ?? 0, 4294967295);
  const tenths =
    temperature === null || !Number.isFinite(temperature) ? -32768 : Math.max(-32767, Math.min(32767, Math.round(temperature * 10)));
  const byCause = faultKeys.map(([key, causes]) => `"${key}":${count(causes.reduce((sum, cause) => sum + (faults[cause] ?? 0), 0))}`);
  return (
    `,"cameraConnected":${connected ? 1 : 0},"cameraFrames":${count(frames)},"cameraTemperature":${tenths},` +
    `"cameraUptime":${count(values.DeviceUptime)},"linkErrors":${count(values.LinkErrorCount)},` +
    `"linkRecoveries":${count(values.LinkRecoveryCount)},"throughput":${count((values.DeviceLinkCurrentThroughput ?? 0) / 1000)},${byCause.join(',')}`
  );
}

/** Keys of `stats` behind the camera's. Drift in thousandths of the spread of single parts, 0 while the baseline is being learned. */
function watchKeys({ rejectsInRow, sinceReject, baselineMissing, journalDropped, drift }: WatchFigures): string {
  const count = (value: number) => integer(value, 4294967295);
  const signed = (value: number | null) => Math.max(-32767, Math.min(32767, Math.round((value ?? 0) * 1000))) || 0; // no -0
  return (
    `,"rejectsInRow":${count(rejectsInRow)},"sinceReject":${count(sinceReject)},"baselineMissing":${count(baselineMissing)},` +
    `"driftScore":${signed(drift.score)},"driftBrightness":${signed(drift.brightness)},"driftSharpness":${signed(drift.sharpness)},"journalDropped":${count(journalDropped)}`
  );
}

export function encodeStats(s: Stats): string {
  const count = (value: number) => integer(value, 4294967295); // UDINT
  const closed = s.ok + s.ng + s.undecided + s.errors;
  const fpy = closed > 0 ? Math.floor((s.ok / closed) * 1e6) : 0; // ppm; never rounded up to a yield that was not reached
  return (
    `{"v":1,"triggers":${count(s.triggers)},"ok":${count(s.ok)},"ng":${count(s.ng)},"undecided":${count(s.undecided)},` +
    `"errors":${count(s.errors)},"timeMin":${count(s.timeMin)},"timeAvg":${count(s.timeAvg)},"timeMax":${count(s.timeMax)},"fpy":${integer(fpy, 1000000)}${s.camera === undefined ? '' : cameraKeys(s.camera)}${s.watch === undefined ? '' : watchKeys(s.watch)}}`
  );
}

export interface About {
  version: string;
  triggerMode: 'software' | 'hardware' | 'freeRun';
  maxOpen: number;
  ttl: number; // ms
  heartbeat: number; // ms
}

export function encodeAbout(a: About, s: Pick<StationState, 'bundle' | 'config' | 'bootId'>): string {
  return (
    `{"v":1,"contract":1,"version":"${label(a.version)}","bundle":"${label(s.bundle)}","config":"${label(s.config)}","bootId":"${label(s.bootId)}",` +
    `"partIdLength":${limits.partId},"csvPartIdLength":${limits.csvPartId},"resultIdLength":${limits.resultId},` +
    `"resultBytes":${limits.resultBytes},"csvBytes":${limits.smallBytes},"triggerMode":"${a.triggerMode}","maxOpen":${integer(a.maxOpen, 65535)},` +
    `"ttl":${integer(a.ttl, 65535)},"heartbeat":${integer(a.heartbeat, 65535)},"docs":"docs/mqtt.md","asyncapi":"docs/asyncapi.yaml"}`
  );
}

/** The topic table of docs/mqtt.md, made from the rows above so that the page cannot drift. */
export function topicTableMarkdown(): string {
  const rows = Object.entries(topicTable).map(
    ([name, row]: [string, TopicRow]) =>
      `| \`${name}\` | ${row.direction} | ${row.qos} / ${row.retain ? 1 : 0} | ${row.served ? row.meaning : `${row.meaning} (reserved, not served yet)`} | \`${row.payload}\` |`,
  );
  return ['| topic | direction | QoS / retained | meaning | payload |', '|---|---|---|---|---|', ...rows].join('\n');
}

/** The list of reasons in docs/mqtt.md, made from codes.ts. */
export function codeTableMarkdown(): string {
  return tableOf(codes);
}

/** The list of alarms that are no reasons in docs/mqtt.md. */
export function watchAlarmTableMarkdown(): string {
  return tableOf(watchAlarms);
}

function tableOf(table: Readonly<Record<number, { text: string; fix: string }>>): string {
  const rows = Object.entries(table).map(([number, row]) => `| ${number} | ${row.text} | ${row.fix} |`);
  return ['| code | meaning | what to do |', '|---|---|---|', ...rows].join('\n');
}
