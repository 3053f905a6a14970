// What can happen to a broker, one a cell of the matrix. `begin` brings the trouble, waits it out, and puts things right again.
import { join } from 'node:path';
import { writePasswords } from './passwords.mjs';
import { sleep, within } from './processes.mjs';
import { between } from './random.mjs';
import { startRefuser } from './refuser.mjs';

const [user, right, wrong] = ['rig', 'right', 'wrong'];
const flaps = 5;
const flap = 200; // ms
const refuseFor = 1500; // ms
const stopFor = 2000; // ms; every tenth time the whole 8 s
const stopWhole = 8000;

const pauseBeforeStart = (random) => sleep(between(random, 100, 500));

/** name -> {about, settings, begin(at)}; at: {broker, random, dir, n (how many came before), proxy}. */
export const troubles = {
  restart: {
    about: 'SIGTERM, back after 0.1 to 0.5 s',
    async begin({ broker, random }) {
      await broker.end('SIGTERM');
      await pauseBeforeStart(random);
      await broker.start();
    },
  },
  kill: {
    about: 'SIGKILL, back after 0.1 to 0.5 s',
    async begin({ broker, random }) {
      await broker.end('SIGKILL');
      await pauseBeforeStart(random);
      await broker.start();
    },
  },
  stop: {
    about: `SIGSTOP for ${stopFor / 1000} s, each tenth time ${stopWhole / 1000} s`,
    async begin({ broker, n }) {
      await broker.end('SIGSTOP');
      await sleep(n % 10 === 9 ? stopWhole : stopFor);
      await broker.end('SIGCONT');
    },
  },
  refuse: {
    about: `connections refused (another password; CONNACK 5 in place of aedes, which knows no users) for ${refuseFor / 1000} s`,
    credentials: { username: user, password: right },
    prepare({ dir, kind }) {
      if (kind !== 'mosquitto') return [];
      writePasswords(join(dir, 'passwords'), user, right);
      return ['allow_anonymous false', `password_file ${join(dir, 'passwords')}`];
    },
    async begin({ broker, dir }) {
      await broker.end('SIGTERM');
      if (broker.kind === 'mosquitto') {
        writePasswords(join(dir, 'passwords'), user, wrong);
        await broker.start();
        await sleep(refuseFor);
        await broker.end('SIGTERM');
        writePasswords(join(dir, 'passwords'), user, right);
      } else {
        const refuser = await startRefuser(broker.port);
        await sleep(refuseFor);
        if (!(await within(15_000, () => refuser.refused() > 0))) throw new Error('nobody asked to be let in');
        await refuser.end();
      }
      await broker.start();
    },
  },
  flap: {
    about: `${flaps} times gone and back, each ${flap} ms (mosquitto: SIGKILL; aedes: its connections, by a proxy)`,
    proxied: (kind) => kind === 'aedes',
    async begin({ broker, proxy }) {
      for (let i = 0; i < flaps; i++) {
        if (proxy === null) await broker.end('SIGKILL');
        else proxy.sever(true);
        await sleep(flap);
        if (proxy === null) await broker.start();
        else proxy.sever(false);
        await sleep(flap);
      }
    },
  },
};
