/** docs/asyncapi.yaml: valid by the schema of AsyncAPI itself, complete, and true to what the encoders and the log write. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv, { type ValidateFunction } from 'ajv';
import { parse } from 'yaml';
import { Code, codes } from '../../src/codes';
import { packageRoot } from '../../src/package';
import { asyncapi, channelId } from '../../src/plc/asyncapi';
import { withHistory } from '../../src/plc/journal';
import * as wire from '../../src/plc/topics';
import { SqliteLog } from '../../src/store/log';
import { makeVerdict, never, soon } from './support';

interface Message {
  contentType: string;
  payload: { $ref: string };
  examples?: { payload: unknown }[];
}
interface Document {
  channels: Record<string, { address: string; messages: Record<string, { $ref: string }> }>;
  operations: Record<string, { action: string; channel: { $ref: string }; bindings: { mqtt: { qos: number; retain: boolean } } }>;
  components: { messages: Record<string, Message>; schemas: Record<string, object> };
}
const text = readFileSync(join(packageRoot, 'docs/asyncapi.yaml'), 'utf8');
const shipped = parse(text) as Document;

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
const official = ajv.compile(JSON.parse(readFileSync(require.resolve('@asyncapi/specs/schemas/3.0.0-without-$id.json'), 'utf8')) as object);
const schemas = new Map<string, ValidateFunction>(
  Object.entries(shipped.components.schemas).map(([id, schema]) => [id, ajv.compile(schema)]),
);
function fits(id: string, payload: string): boolean {
  const validate = schemas.get(id);
  if (validate === undefined) throw new Error(`no schema ${id}`);
  const plain = shipped.components.messages[id]?.contentType === 'text/plain';
  return validate(plain ? payload : JSON.parse(payload));
}

test('a document with a mistake is refused by the schema of AsyncAPI', () => {
  const broken: ((copy: Document) => void)[] = [
    (copy) => Object.assign(copy, { asyncapi: '2.6.0' }),
    (copy) => Object.assign(copy, { channel: {} }),
    (copy) => Object.assign(copy.operations.sendResult ?? {}, { action: 'publish' }),
    (copy) => Object.assign(copy.operations.sendResult?.bindings.mqtt ?? {}, { qos: 7 }),
    (copy) => Object.assign(copy.channels.result ?? {}, { address: 5 }),
  ];
  for (const breakIt of broken) {
    const copy = parse(text) as Document;
    breakIt(copy);
    expect(official(copy)).toBe(false);
  }
});

test('the document is valid, current, and every reference leads somewhere', () => {
  expect(official(shipped) ? [] : official.errors).toEqual([]);
  expect(shipped).toEqual(asyncapi());
  const references = [...text.matchAll(/\$ref: "?#\/([^"\n]+)/g)].map(([, path = '']) => path);
  expect(references.length).toBeGreaterThan(50);
  for (const path of references) {
    const target = path.split('/').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], shipped);
    expect([path, typeof target]).toEqual([path, 'object']);
  }
});

test('every topic has a channel and an operation with its direction, QoS and retain', () => {
  const operations = Object.values(shipped.operations);
  for (const [name, row] of Object.entries(wire.topicTable) as [string, wire.TopicRow][]) {
    const id = channelId(name);
    expect(shipped.channels[id]?.address).toBe(`verdictd/{station}/${name.replace('<code>', '{code}')}`);
    const [operation, ...more] = operations.filter(({ channel }) => channel.$ref === `#/channels/${id}`);
    expect(more).toEqual([]);
    expect(operation?.action).toBe(row.direction === 'PLC -> rig' ? 'receive' : 'send');
    expect(operation?.bindings.mqtt).toMatchObject({ qos: row.qos, retain: row.retain });
  }
  expect(Object.keys(shipped.channels)).toHaveLength(Object.keys(wire.topicTable).length);
});

test.each<[string, string]>([
  ['result', '{"v":1,"seq":1}'],
  ['result', wire.topicTable.result.payload.replace('"ok":0', '"ok":2')],
  ['result', wire.topicTable.result.payload.replace('"v":1', '"v":1,"more":1')],
  ['result', wire.topicTable.result.payload.replace('874', '87.4')],
  ['result', wire.topicTable.result.payload.replace('"score":874', '"score":null')],
  ['resultCsv', '1;184467;0;2;101;1;0;874;620;3;158'],
  ['trigger', '{"seq":0}'],
  ['trigger', '{"seq":1,"part":"A"}'],
  ['triggerCsv', '1;A B;3'],
  ['ack', '{"v":1,"seq":1,"ack":1,"code":299}'],
  ['online', '2'],
  ['heartbeat', wire.topicTable.heartbeat.payload.replace('"state":4', '"state":"Operational"')],
])('%s: %s is outside the schema', (id, payload) => {
  expect(fits(id, payload)).toBe(false);
});

test('examples and whatever the encoders write fit their schemas', () => {
  const bad: string[] = [];
  const check = (id: string, payload: string) => {
    if (!fits(id, payload)) bad.push(`${id} ${payload} ${JSON.stringify(schemas.get(id)?.errors)}`);
  };
  for (const [id, { examples = [] }] of Object.entries(shipped.components.messages))
    for (const { payload } of examples) check(id, typeof payload === 'string' ? payload : JSON.stringify(payload));
  const odd = [0, 1, 65535, 2147483647, 1e300, -5, 0.4, Number.NaN];
  for (const number of odd) {
    for (const code of Object.keys(codes).map(Number) as Code[]) {
      const part = '"x'.repeat(40);
      const fields: wire.ResultFields = {
        seq: number,
        ok: 0,
        resultEvaluation: 3,
        resultEvaluationCode: code,
        resultState: 4,
        isSimulated: 1,
        score: number,
        limit: null,
        recipeId: number,
        age: number,
        partId: part,
        resultId: part,
      };
      check('result', wire.encodeResult(fields));
      check('resultCsv', wire.encodeResultCsv(fields));
      check('last', wire.encodeLast(fields));
      check('ack', wire.encodeAck(number, code));
      check('acquired', wire.encodeAcquired(number));
      check('cmdRsp', wire.encodeCommandResponse(number, number, { ok: 1, code }));
      check('alarm', wire.encodeAlarm(code, codes[code].name, codes[code].text));
      check(
        'heartbeat',
        wire.encodeHeartbeat({ hb: Number.isFinite(number) ? number : 0, ready: 1, state: 'Error', code, lastSeq: number }),
      );
    }
    const counts = { triggers: number, ok: 1, ng: number, undecided: 0, errors: 0, timeMin: number, timeAvg: 1, timeMax: 1 };
    check('stats', wire.encodeStats(counts));
    const camera = { connected: true, alive: 0, frames: number, faults: { frozen: number }, temperature: number };
    check('stats', wire.encodeStats({ ...counts, camera: { ...camera, values: { DeviceUptime: number } } }));
  }
  const state = {
    state: 'Halted',
    sub: '',
    ready: 0,
    code: Code.plcSilent,
    recipeId: 3,
    ep: 'cpu',
    bundle: '9f',
    config: '51',
    bootId: '1',
  } as const;
  check('state', wire.encodeState(state));
  for (const triggerMode of ['software', 'hardware', 'freeRun'] as const)
    check('about', wire.encodeAbout({ version: '9', triggerMode, maxOpen: 4, ttl: 1500, heartbeat: 1000 }, state));
  for (const online of [0, 1] as const) check('online', wire.encodeOnline(online));
  expect(bad).toEqual([]);
});

test('what the real log hands to the journal fits its schemas', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'verdictd-asyncapi-'));
  const log = new SqliteLog({ dir, bootId: (n) => `b${n}` });
  try {
    await log.start(never);
    const verdict = makeVerdict({ probabilities: { normal: 0.2, anomaly: 0.8 }, lot: 'L1' });
    await log.commit(verdict);
    await log.image({ resultId: verdict.part.resultId, name: 'a.jpg', kind: 'picture', sha256: 'ab'.repeat(32), bytes: 7 });
    await log.event('notReleased', 'too late');
    await log.commit(makeVerdict({ frameId: null, score: null, code: Code.tooLate, state: 4, evaluation: 0, late: true, released: 0 }));
    const entries = await log.backlog(0, 100);
    expect(new Set(entries.map(({ type }) => type))).toEqual(new Set(['verdict', 'image', 'event']));
    for (const { type, payload } of entries) {
      const id = `journal${type[0]?.toUpperCase()}${type.slice(1)}`;
      const sent = withHistory(payload, false);
      expect([sent, fits(id, sent), schemas.get(id)?.errors]).toEqual([sent, true, null]);
    }
  } finally {
    await log.stop(soon());
    rmSync(dir, { recursive: true, force: true });
  }
});
