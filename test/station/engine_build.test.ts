import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';
import { packageRoot } from '../../src/package';
import { alive, FakeRig } from '../inspect/rig';

const dir = mkdtempSync(join(tmpdir(), 'verdictd-build-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

// TensorRT and the GPU are played; the station, its broker, the cache and the child process are real.
test('while an engine is built, the heart beats on, the state says not ready, and a stop leaves nothing behind', async () => {
  const rig = new FakeRig(join(dir, 'rig'));
  rig.behave('hangs');
  const smi = join(dirname(rig.trtexec), 'nvidia-smi');
  writeFileSync(smi, '#!/bin/sh\necho "NVIDIA Fake, 8.7, 540.4.0"\n');
  chmodSync(smi, 0o755);
  const data = join(dir, 'data');
  mkdirSync(data);
  const port = await freePort();
  const settings = [
    `broker.port=${port}`,
    'inference.providers=tensorrt,cpu',
    'plc.heartbeat=200',
    `inference.engine.trtexec=${rig.trtexec}`,
  ];
  const preload = `-r ${join(packageRoot, 'test/inspect/fake_tensorrt.cjs')}`;
  const child = spawn(
    process.execPath,
    [
      join(packageRoot, 'src/cli/verdictd'),
      ...['--data-dir', data, '--config', join(packageRoot, 'config/demo.yaml')],
      ...settings.flatMap((one) => ['--set', one]),
      'run',
    ],
    { env: { ...process.env, PATH: `${dirname(smi)}:${process.env.PATH}`, NODE_OPTIONS: preload }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  try {
    while (!existsSync(join(dirname(rig.trtexec), 'pids'))) {
      if (child.exitCode !== null) throw new Error(`the station ended: ${said}`);
      await sleep(50);
    }
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 100 });
    const beats: { hb: number; ready: number }[] = [];
    const states: { state: string; ready: number }[] = [];
    client.on('message', (topic, payload) => {
      if (topic.endsWith('/heartbeat')) beats.push(JSON.parse(payload.toString()) as (typeof beats)[number]);
      if (topic.endsWith('/state')) states.push(JSON.parse(payload.toString()) as (typeof states)[number]);
    });
    await client.subscribeAsync('verdictd/#');
    while (beats.length < 8) await sleep(50); // jest's own limit ends a heart that stands still
    const counters = beats.map(({ hb }) => hb);
    expect(counters).toEqual(counters.map((_, i) => (counters[0] ?? 0) + i)); // each one counted: the station makes progress
    expect(beats.every(({ ready }) => ready === 0)).toBe(true);
    expect(states.at(-1)).toMatchObject({ state: 'Preoperational', ready: 0 });
    expect(said).toContain('building the TensorRT engine: 0 s of at most 3600 s');
    expect(rig.pids.every(alive)).toBe(true);
    await client.endAsync();
  } finally {
    child.kill('SIGTERM');
  }
  expect(await ended).toBe(0);
  expect(rig.pids.some(alive)).toBe(false);
}, 60_000);
