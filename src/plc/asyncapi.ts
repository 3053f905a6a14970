/**
 * The AsyncAPI 3 document of the contract, docs/asyncapi.yaml: channels, operations and messages from the rows of topics.ts, schemas
 * from the keys of their examples and from fields.ts. `npm run docs` writes it. Seen from the station: it receives what a PLC writes.
 */
import { stringify } from 'yaml';
import { fieldOf } from './fields';
import { encodeStats, limits, type TopicName, type TopicRow, topicTable } from './topics';

type Json = { readonly [key: string]: unknown };

interface Form {
  /** Behind the channel's name; '' for the only or usual form. */
  suffix: string;
  contentType: 'application/json' | 'text/plain';
  schema: Json;
  example: string;
}

/** `result/csv` -> resultCsv, `alarm/<code>` -> alarm. */
export function channelId(name: string): string {
  return name.replace('/<code>', '').replace(/\/(.)/g, (_, first: string) => first.toUpperCase());
}

/** Keys in their order; `required` those that are always there. */
function objectSchema(topic: string, required: readonly string[], optional: readonly string[], grows: boolean): Json {
  const keys = [...required, ...optional];
  return {
    type: 'object',
    properties: Object.fromEntries(keys.map((key) => [key, fieldOf(topic, key)])),
    required: [...required],
    additionalProperties: grows, // new keys may come at the end
  };
}

const keysOf = (payload: string): string[] => Object.keys(JSON.parse(payload) as object);

const whole = '[0-9]{1,10}';
const partId = (length: number) => `[A-Za-z0-9_.:-]{0,${length}}`;
const common = ['v', 'journalSeq', 'type', 'creationTime', 'clockTrusted', 'bootId', 'hash', 'isHistorical'];
const journal = {
  verdict: [
    ...keysOf(topicTable.result.payload).map((key) => (key === 'ok' ? 'released' : key)),
    ...[
      'processingTimes',
      'bundle',
      'config',
      'recipe',
      'lot',
      'frameId',
      'probabilities',
      'boxes',
      'ep',
      'image',
      'detail',
      'late',
      'verdict',
    ],
  ],
  image: ['resultId', 'image', 'kind', 'sha256', 'bytes'],
  event: ['kind', 'detail'],
};

/** Keys of `stats` about camera and watch: there as soon as these are. */
function laterKeys(): string[] {
  const nothing = { triggers: 0, ok: 0, ng: 0, undecided: 0, errors: 0, timeMin: 0, timeAvg: 0, timeMax: 0 };
  const camera = { connected: false, alive: 0, frames: 0, faults: {}, temperature: null };
  const watch = {
    rejectsInRow: 0,
    sinceReject: 0,
    baselineMissing: 0,
    journalDropped: 0,
    drift: { score: null, brightness: null, sharpness: null },
  };
  const always = new Set(keysOf(topicTable.stats.payload));
  return keysOf(encodeStats({ ...nothing, camera, watch })).filter((key) => !always.has(key));
}

function text(pattern: string, description: string): Json {
  return { type: 'string', pattern, description };
}

function formsOf(name: TopicName, row: TopicRow): Form[] {
  const json = (schema: Json, suffix = '', example = row.payload): Form => ({ suffix, contentType: 'application/json', schema, example });
  const plain = (schema: Json, suffix = '', example = row.payload): Form => ({ suffix, contentType: 'text/plain', schema, example });
  switch (name) {
    case 'trigger':
      return [
        json(objectSchema(name, ['seq'], ['partId', 'recipeId'], false)),
        plain(text(`^${whole}$`, 'seq'), 'Plain', '184467'),
        plain(text(`^${whole};${partId(limits.partId)};[0-9]{0,5}$`, 'seq;partId;recipeId'), 'Csv', '184467;A0001234;3'),
      ];
    case 'result/csv':
      return [
        plain(
          text(
            `^1(;${whole}){10};${partId(limits.csvPartId)}$`,
            'v;seq;ok;evaluation;code;state;simulated;score;limit;recipeId;age;partId',
          ),
        ),
      ];
    case 'plc/heartbeat':
      return [plain(text(`^${whole}$`, 'a counter, 0 to 4294967295'))];
    case 'online':
      return [plain(text('^[01]$', '1, or 0 by the last will'))];
    case 'cmd':
      return [json(objectSchema(name, ['id', 'cmd'], ['arg'], false))];
    case 'stats':
      return [json(objectSchema(name, keysOf(row.payload), laterKeys(), true))];
    case 'journal':
      return Object.entries(journal).map(([type, keys]) => {
        const schema = objectSchema(name, [...new Set([...common, ...keys])], [], true);
        const form = json({ ...schema, properties: { ...(schema.properties as Json), type: { type: 'string', enum: [type] } } });
        return { ...form, suffix: type[0]?.toUpperCase() + type.slice(1), example: '' };
      });
    default:
      return [json(objectSchema(name, keysOf(row.payload), [], name !== 'result'))];
  }
}

const byReference = (...path: string[]): Json => ({ $ref: `#/${path.join('/')}` });

/** The whole document. */
export function asyncapi(): Json {
  const channels: Record<string, Json> = {};
  const operations: Record<string, Json> = {};
  const messages: Record<string, Json> = {};
  const schemas: Record<string, Json> = {};
  for (const [name, row] of Object.entries(topicTable) as [TopicName, TopicRow][]) {
    const channel = channelId(name);
    const references: Record<string, Json> = {};
    for (const { suffix, contentType, schema, example } of formsOf(name, row)) {
      const id = `${channel}${suffix}`;
      schemas[id] = schema;
      const payload = contentType === 'text/plain' ? example : example === '' ? null : (JSON.parse(example) as unknown);
      messages[id] = {
        name: id,
        contentType,
        payload: byReference('components', 'schemas', id),
        ...(payload === null ? {} : { examples: [{ payload }] }),
      };
      references[id] = byReference('components', 'messages', id);
    }
    const code = name === 'alarm/<code>' ? { code: { description: 'a reason, or an alarm of the watch; see the field code' } } : {};
    channels[channel] = {
      address: `verdictd/{station}/${name.replace('<code>', '{code}')}`,
      description: row.meaning,
      messages: references,
      parameters: { station: byReference('components', 'parameters', 'station'), ...code },
    };
    const action = row.direction === 'PLC -> rig' ? 'receive' : 'send';
    operations[`${action}${channel[0]?.toUpperCase()}${channel.slice(1)}`] = {
      action,
      channel: byReference('channels', channel),
      summary: `${row.direction}${row.actuation ? '; a gate acts on it: never retained, queued or replayed' : ''}`,
      bindings: { mqtt: { qos: row.qos, retain: row.retain, bindingVersion: '0.2.0' } },
    };
  }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'verdictd MQTT contract',
      version: '1.0.0',
      description:
        'What a PLC, an HMI and a MES may rely on. docs/mqtt.md and docs/plc.md of the package tell the handshake. An inspection aid, not a safety function. Topics stand under plc.baseTopic, by default verdictd/<station>.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: {
      broker: {
        host: 'localhost:1883',
        protocol: 'mqtt',
        protocolVersion: '3.1.1',
        description: 'the broker named by plc.url',
        bindings: {
          mqtt: {
            cleanSession: true,
            lastWill: { topic: 'verdictd/{station}/online', qos: 1, message: '0', retain: true },
            bindingVersion: '0.2.0',
          },
        },
      },
    },
    channels,
    operations,
    components: {
      parameters: { station: { description: 'name of the station: 1 to 32 of a-z, 0-9 and -' } },
      messages,
      schemas,
    },
  };
}

export function asyncapiYaml(): string {
  const head = '# Generated from src/plc/topics.ts and src/plc/fields.ts by `npm run docs`. Do not edit.\n';
  return head + stringify(asyncapi(), { lineWidth: 0, aliasDuplicateObjects: false });
}
