/** The MQTT broker, by a message that goes there and comes back. */
import { randomBytes } from 'node:crypto';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { monotonicMs } from '../clock';
import { reason } from '../errors';
import { type CredentialFiles, readCredentials } from '../plc/credentials';
import { adviceFor } from '../plc/trouble';
import type { Ms } from '../ports';
import { bad, type Check, good } from './check';

export interface BrokerFacts extends CredentialFiles {
  url: string;
  base: string; // base topic
  station: string;
  /** It lives in the station, and none runs: there is nothing to ask. */
  embeddedAndDown: boolean;
  /** Longest wait for each step. */
  patience?: Ms;
}

const id = 'broker.roundTrip';

/** Uses `<base>/doctor`, which nobody else does; nothing is retained. */
export async function brokerCheck(facts: BrokerFacts): Promise<Check> {
  const { url, base, station, embeddedAndDown, patience = 5_000 } = facts;
  if (embeddedAndDown) return good(id, `the embedded broker at ${url} comes up with the station`);
  let client: MqttClient | null = null;
  try {
    const { tls, ...who } = readCredentials(facts);
    const options: IClientOptions = {
      ...who,
      ...tls,
      clientId: `verdictd-${station}-doctor-${randomBytes(4).toString('hex')}`,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: patience,
      protocolVersion: 4,
    };
    client = connect(url, options);
    await up(client, patience);
    return await roundTrip(client, `${base}/doctor`, url, patience);
  } catch (thrown) {
    return failed(url, thrown);
  } finally {
    client?.end(true);
  }
}

/** Rejects with the reason where it does not come up in time. */
function up(client: MqttClient, patience: Ms): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${patience} ms`)), patience);
    const end = (settle: () => void) => () => {
      clearTimeout(timer);
      settle();
    };
    client.once('connect', end(resolve));
    client.once(
      'close',
      end(() => reject(new Error('it closed the connection'))),
    );
    client.on('error', (error) => end(() => reject(error))()); // stays: an error without a listener would end the process
  });
}

async function roundTrip(client: MqttClient, topic: string, url: string, patience: Ms): Promise<Check> {
  const word = randomBytes(8).toString('hex');
  let timer: NodeJS.Timeout | undefined;
  const back = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), patience);
    client.on('message', (_, payload) => {
      if (payload.toString('latin1') === word) resolve(true);
    });
  });
  try {
    const [grant] = await client.subscribeAsync(topic, { qos: 1 });
    const acl = `Allow the station to write and read ${topic}, and no more than the ACL in docs/mqtt.md`;
    if (grant === undefined || grant.qos > 2) return bad(id, `${url} does not let this station read ${topic}`, acl);
    const began = monotonicMs();
    client.publish(topic, word, { qos: 1 });
    if (!(await back)) return bad(id, `${url} took a message on ${topic} and did not give it back within ${patience} ms`, acl);
    return good(id, `${url}: there and back in ${Math.round(monotonicMs() - began)} ms`);
  } finally {
    clearTimeout(timer);
  }
}

function failed(url: string, thrown: unknown): Check {
  const code = (thrown as { code?: unknown }).code;
  const why = reason(thrown) || String(code);
  const { hostname, port } = new URL(url);
  const fix =
    code === 4 || code === 5
      ? "Set plc.username and plc.passwordFile to a user the broker knows (mosquitto_passwd -c FILE USER on the broker's side)"
      : code === 'ECONNREFUSED'
        ? `Start the broker on ${hostname} (systemctl start mosquitto), or set plc.url; broker.embedded: true runs one here`
        : code === 'ENOTFOUND' || code === 'EAI_AGAIN'
          ? `Give ${hostname} a name that resolves (/etc/hosts), or set plc.url to its address`
          : code === 'CONFIG_INVALID'
            ? 'Correct the path, or the file; see docs/mqtt.md'
            : url.startsWith('mqtts:')
              ? adviceFor(why, url)
              : `Check that ${hostname}${port === '' ? '' : ` port ${port}`} can be reached from here (ping ${hostname}), and that it speaks MQTT`;
  return bad(id, `${url}: ${why}`, fix);
}
