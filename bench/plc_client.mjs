// A thread of bench/plc.mjs: a client that shares nothing with the station but the broker and the clock. As 'plc' it sends triggers and
// notes when acks and results come; as 'mes' it counts the journal.
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

const require = createRequire(import.meta.url);
const { connectAsync } = require('mqtt');
const { monotonicMs } = require('../dist/clock.js');

const { role, url, base } = workerData;
const client = await connectAsync(url, { clean: true, protocolVersion: 4 });
client.stream.setNoDelay(true);
const seqOf = (payload) => Number(/"seq":(\d+)/.exec(payload.toString('latin1'))?.[1]);
const pause = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));

if (role === 'mes') {
  let [count, historical, first, last] = [0, 0, 0, 0];
  client.on('message', (_, payload) => {
    count++;
    if (!payload.includes('"bootId":"fill"')) return; // of the records that waited
    historical++;
    last = monotonicMs();
    if (first === 0) first = last;
  });
  await client.subscribeAsync(`${base}/journal`, { qos: 1 });
  parentPort.on('message', () => parentPort.postMessage({ count, historical, seconds: (last - first) / 1000 }));
} else {
  const acks = new Map();
  const results = new Map();
  client.on('message', (topic, payload) => {
    const now = monotonicMs();
    const seq = seqOf(payload);
    if (topic.endsWith('/ack')) acks.set(seq, { at: now, ok: payload.includes('"ack":1') });
    else if (!results.has(seq)) results.set(seq, now);
  });
  await client.subscribeAsync([`${base}/ack`, `${base}/result`], { qos: 1 });
  parentPort.on('message', async ({ from, count, gap }) => {
    const sent = new Map();
    const began = monotonicMs();
    for (let i = 0; i < count; i++) {
      await pause(began + i * gap - monotonicMs());
      sent.set(from + i, monotonicMs());
      client.publish(`${base}/trigger`, String(from + i), { qos: 1 });
    }
    await pause(2_000); // the last answers
    const told = [...sent].map(([seq, at]) => ({
      seq,
      sent: at,
      ack: acks.get(seq)?.at ?? null,
      ok: acks.get(seq)?.ok ?? false,
      result: results.get(seq) ?? null,
    }));
    acks.clear();
    results.clear();
    parentPort.postMessage(told);
  });
}
parentPort.postMessage('up');
