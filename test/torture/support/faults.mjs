// What is done to a line while parts run: each fault begins, lasts, and ends. `silences`: nothing of the station can reach the PLC
// meanwhile; `blinds`: no picture of now can come.
import { between } from './random.mjs';

/** at: {station, broker, plc (process), camera(command), link(out), random}. */
export const faults = {
  daemonStop: {
    about: 'SIGSTOP of the daemon',
    silences: true,
    begin: ({ station }) => station.kill('SIGSTOP'),
    end: ({ station }) => station.kill('SIGCONT'),
  },
  brokerStop: {
    about: 'SIGSTOP of the broker',
    silences: true,
    begin: ({ broker }) => broker.end('SIGSTOP'),
    end: ({ broker }) => broker.end('SIGCONT'),
  },
  plcStop: {
    about: 'SIGSTOP of the PLC',
    begin: async ({ plc }) => void plc.kill('SIGSTOP'),
    end: async ({ plc }) => void plc.kill('SIGCONT'),
  },
  allStop: {
    about: 'SIGSTOP of daemon, broker and PLC, one after another, and on again in another order',
    silences: true,
    begin: async (at) => {
      for (const name of shuffled(['daemonStop', 'brokerStop', 'plcStop'], at.random)) await faults[name].begin(at);
    },
    end: async (at) => {
      for (const name of shuffled(['daemonStop', 'brokerStop', 'plcStop'], at.random)) await faults[name].end(at);
    },
  },
  linkDown: {
    about: 'the link between daemon and broker down',
    silences: true,
    begin: async ({ link }) => link(true),
    end: async ({ link }) => link(false),
  },
  cameraFrozen: {
    about: 'the camera repeats a picture',
    blinds: true,
    begin: ({ camera }) => camera('fault frozen count=always'),
    end: ({ camera }) => camera('fault clear'),
  },
  cameraSilent: {
    about: 'the camera lives and gives no pictures',
    blinds: true,
    begin: ({ camera }) => camera('silent = on'),
    end: ({ camera }) => camera('silent = off'),
  },
  cameraUnplugged: {
    about: 'the camera unplugged',
    blinds: true,
    begin: ({ camera }) => camera('unplug'),
    end: ({ camera }) => camera('replug'),
  },
  daemonKill: {
    about: 'SIGKILL of the daemon, started again',
    silences: true,
    begin: ({ station }) => station.kill('SIGKILL'),
    end: async ({ station }) => void station.start(),
  },
  brokerRestart: {
    about: 'the broker ended (SIGTERM or SIGKILL) and started again',
    silences: true,
    begin: ({ broker, random }) => broker.end(random() < 0.5 ? 'SIGTERM' : 'SIGKILL'),
    end: ({ broker }) => broker.start(),
  },
};

export const faultNames = Object.keys(faults);

function shuffled(list, random) {
  const left = [...list];
  return list.map(() => left.splice(between(random, 0, left.length - 1), 1)[0]);
}
