/**
 * Every key that a payload of the contract carries: type, range and meaning, once. The AsyncAPI document takes its schemas from
 * here and the order of keys from the examples of topics.ts; test/plc/asyncapi.test.ts holds what the encoders write against them.
 */
import { alarms, codes } from '../codes';
import { limits } from './topics';

/** A JSON schema of one value. */
export type Field = {
  type: 'integer' | 'number' | 'string' | 'object' | 'array' | ['integer' | 'object', 'null'];
  description: string;
  minimum?: number;
  maximum?: number;
  enum?: readonly (number | string)[];
  pattern?: string;
  maxLength?: number;
  maxItems?: number;
};

const udint = 4294967295;
const integer = (minimum: number, maximum: number, description: string): Field => ({ type: 'integer', minimum, maximum, description });
const count = (description: string) => integer(0, udint, description);
const uint = (description: string) => integer(0, 65535, description);
const bit = (description: string): Field => ({ type: 'integer', enum: [0, 1], description });
const text = (maxLength: number, description: string): Field => ({ type: 'string', maxLength, description });
const word = (values: readonly string[], description: string): Field => ({ type: 'string', enum: values, description });
const plain = (length: number, description: string): Field => ({
  type: 'string',
  pattern: `^[A-Za-z0-9_.:-]{0,${length}}$`,
  description,
});
const utc = (description: string): Field => text(40, `${description}, UTC, ISO 8601`);

/** The reasons of codes.ts. */
export const codeField: Field = {
  type: 'integer',
  enum: Object.keys(codes).map(Number),
  description: `reason: ${Object.entries(codes)
    .map(([number, row]) => `${number} ${row.text}`)
    .join('; ')}`,
};

/** The same and the alarms of the watch. */
export const alarmField: Field = { ...codeField, enum: Object.keys(alarms).map(Number), description: 'what it is about; see docs/mqtt.md' };

/** By key; `topic.key` where a topic means something of its own by it. */
export const fields: Readonly<Record<string, Field>> = {
  v: { type: 'integer', enum: [1], description: 'version of the contract' },
  seq: integer(0, limits.seq, 'number of the part; 0: none'),
  'trigger.seq': integer(1, limits.seq, 'number of the part: one more than the last, after 2147483647 comes 1'),
  partId: plain(limits.partId, "the PLC's name of the part"),
  recipeId: uint('number of the recipe; 0: none'),
  'trigger.recipeId': uint('checked, never switched; 0 or absent: the one in force'),
  ack: bit('1 accepted; 0 refused: no result follows'),
  code: codeField,
  'alarm/<code>.code': alarmField,
  ok: bit('1: the gate may open'),
  released: bit('what `result` said as ok'),
  resultEvaluation: { type: 'integer', enum: [0, 1, 2, 3], description: '0 Undefined, 1 OK, 2 NotOK, 3 NotDecidable (OPC 40001-101)' },
  resultEvaluationCode: codeField,
  resultState: {
    type: 'integer',
    enum: [0, 1, 2, 3, 4],
    description: '0 Undefined, 1 Completed, 2 Processing, 3 Aborted, 4 Failed (OPC 40001-101)',
  },
  isSimulated: bit('simulated camera, replay or test image'),
  score: uint('calibrated score x1000; 65535: none'),
  limit: uint('limit in force x1000; 65535: none'),
  age: uint('ms from trigger (hardware trigger: from exposure) to publish'),
  resultId: plain(limits.resultId, "the station's own id: key in the log, name of the picture"),
  verdict: word(['PASS', 'FAIL', 'UNDECIDED', 'ERROR'], 'the verdict in a word'),
  hb: uint('moves only while camera, inference and log make progress; after 65535 comes 0'),
  ready: bit('1: triggers are accepted'),
  'heartbeat.state': { type: 'integer', enum: [1, 2, 3, 4], description: '1 Preoperational, 2 Halted, 3 Error, 4 Operational' },
  state: word(['Preoperational', 'Halted', 'Error', 'Operational'], 'state (OPC 40100-1)'),
  lastSeq: integer(0, limits.seq, 'last number used; a PLC that forgot its own goes on behind it'),
  sub: text(64, 'what it does while Operational (OPC 40100-1)'),
  ep: text(64, 'execution provider in use'),
  bundle: text(64, 'hash of the model; on `state` and `about` its beginning'),
  config: text(64, 'hash of the configuration; on `state` and `about` its beginning'),
  bootId: text(64, 'start of the station'),
  name: text(64, 'name of the code'),
  text: text(64, 'the code for people'),
  triggers: count('triggers, refused ones too'),
  'stats.ok': count('parts found OK'),
  ng: count('parts found not OK'),
  undecided: count('parts in the grey zone'),
  errors: count('parts that could not be judged'),
  timeMin: count('shortest time to a verdict, ms'),
  timeAvg: count('mean time to a verdict, ms'),
  timeMax: count('longest time to a verdict, ms'),
  fpy: integer(0, 1_000_000, 'first-pass yield, ppm'),
  cameraConnected: bit('1: the camera is there'),
  cameraFrames: count('frames since its stream began'),
  cameraTemperature: integer(-32768, 32767, 'tenths of a degree C; -32768: not known'),
  cameraUptime: count('s'),
  linkErrors: count('errors of its link'),
  linkRecoveries: count('recoveries of its link'),
  throughput: count('kB/s'),
  faultLost: count('exposures without a frame'),
  faultTimeout: count('frames that did not come in time'),
  faultIncomplete: count('incomplete frames'),
  faultDuplicate: count('frames that came twice'),
  faultFrozen: count('frames that repeat the one before'),
  faultWrongSize: count('frames of another size or format'),
  faultLate: count('frames that came too late'),
  faultMissed: count('triggers the camera did not take'),
  faultNoSlot: count('frames that found no room'),
  rejectsInRow: count('parts in a row that were no PASS'),
  sinceReject: count('parts since the last reject'),
  baselineMissing: count('good parts that the control charts have still to learn from'),
  driftScore: integer(-32767, 32767, 'scores of good parts against their baseline, thousandths of a standard deviation'),
  driftBrightness: integer(-32767, 32767, 'the same of their brightness'),
  driftSharpness: integer(-32767, 32767, 'the same of their sharpness'),
  journalDropped: count('journal records that were removed undelivered'),
  contract: { type: 'integer', enum: [1], description: 'version of the contract' },
  version: text(64, 'version of verdictd'),
  partIdLength: uint('longest partId'),
  csvPartIdLength: uint('characters of partId on `result/csv`: its last ones'),
  resultIdLength: uint('longest resultId'),
  resultBytes: uint('longest payload of `result`, bytes'),
  csvBytes: uint('longest payload of `result/csv`, bytes'),
  triggerMode: word(['software', 'hardware', 'freeRun'], 'where exposures come from'),
  maxOpen: uint('parts that may be open at once'),
  ttl: uint('time to live of a verdict, ms: T_result of the PLC'),
  heartbeat: uint('period of the heartbeat, ms'),
  docs: text(64, 'the page about this contract in the package'),
  asyncapi: text(64, 'this document in the package'),
  id: integer(0, limits.seq, "the caller's number: the same id, cmd and arg within 60 s get the same answer"),
  cmd: uint('number of the command'),
  arg: text(64, 'argument'),
  'cmd/rsp.ok': bit('1: done'),
  journalSeq: integer(1, Number.MAX_SAFE_INTEGER, 'number in the journal, without gaps; repetitions carry the same'),
  type: word(['verdict', 'image', 'event'], 'kind of record'),
  isHistorical: bit('1: not live'),
  creationTime: utc('when the part was opened or the record made'),
  clockTrusted: bit('1: the clock was believed'),
  processingTimes: { type: 'object', description: 'startTime, endTime (UTC), acquisitionDuration, processingDuration (ms)' },
  recipe: text(128, 'id and version of the recipe'),
  lot: text(128, 'lot'),
  frameId: { type: ['integer', 'null'], description: "the camera's number of the frame" },
  probabilities: { type: ['object', 'null'], description: 'normal and anomaly, where the bundle gives them' },
  boxes: {
    type: 'array',
    maxItems: 16,
    description: 'anomalous regions, strongest first: [x, y, width, height] in pixels of the full frame; none for a part found OK',
  },
  image: text(256, 'name of the picture, or the stem of the names of its pictures'),
  hash: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the record in the chain of the log' },
  detail: text(4096, 'for people'),
  late: bit('1: decided after the PLC had its answer'),
  kind: text(64, 'kind of picture or event'),
  sha256: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'of the picture' },
  bytes: integer(0, Number.MAX_SAFE_INTEGER, 'size of the picture'),
};

/** The field `key` means on `topic`. Throws where a payload has a key that nobody described. */
export function fieldOf(topic: string, key: string): Field {
  const field = fields[`${topic}.${key}`] ?? fields[key];
  if (field === undefined) throw new Error(`src/plc/fields.ts does not describe the key ${key} of ${topic}`);
  return field;
}
