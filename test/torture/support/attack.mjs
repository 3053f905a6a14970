// One attack on a running station by messages: what each was due, what it got, and whether anything of the station changed.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { hostile } from './hostile.mjs';
import { withLog } from './log.mjs';
import { sleep, within } from './processes.mjs';
import { between } from './random.mjs';

const { ask } = createRequire(import.meta.url)('../../../dist/control/client.js');

const never = new AbortController().signal;
const batch = { trigger: 75, cmd: 8, 'plc/heartbeat': 17 }; // in a second: below what the station takes, so that each is answered
const pace = 1100; // ms
const flood = { trigger: 400, cmd: 100 }; // at once, after each fourth batch
const floodPause = 1500; // ms: until the station takes triggers again
const answerLimit = 10_000; // ms

/** Everything a message could have changed, but what the bench's own good parts change. */
export async function stateOf(station) {
  const { value } = await ask(station.dataDir, 'status', {}, never);
  const { state, sub, ready, code, recipeId, bundle, config, bootId, lastSeq, openParts } = value;
  const hash = createHash('sha256');
  const recipes = join(station.dataDir, 'recipes');
  for (const entry of readdirSync(recipes, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) hash.update(`${entry.name}\n`).update(readFileSync(join(entry.parentPath ?? entry.path, entry.name)));
  }
  const count = (db, table) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
  const rows = withLog(station.dataDir, (db) => [count(db, 'inspections'), count(db, 'audit'), count(db, 'labels'), count(db, 'pending')]);
  return JSON.stringify({
    state,
    sub,
    ready,
    code,
    recipeId,
    bundle,
    config,
    bootId,
    openParts,
    lastSeq,
    recipes: hash.digest('hex'),
    rows,
  });
}

export class Attack {
  tally = { sent: 0, good: 0, acks: 0, refusals: 0, unanswered: 0, unwanted: 0, changes: 0, floods: 0, floodAnswers: 0 };
  failures = [];
  last = 0; // number of the last good part
  next = 1;
  id = 0;

  constructor(ctx, station, client) {
    Object.assign(this, { random: ctx.random, station, client });
    this.acks = new Map(); // code -> how many, in this round
    this.answers = new Map(); // id -> answer
    this.state = null; // as the topic says it
  }

  /** From here on everything heard is an answer, or a fault. */
  listen() {
    this.state = this.client.last.get('state').text;
    this.deafen = this.client.on((message) => this.heard(message));
  }

  fail(text) {
    this.failures.push(text);
  }

  heard({ topic, json, text }) {
    if (topic === 'state') {
      if (text !== this.state) this.changed(`state became ${text}`);
    } else if (topic === 'ack') this.onAck(json);
    else if (topic === 'cmd/rsp') this.onAnswer(json);
    else if (topic === 'result' && json?.seq !== this.judging) {
      this.tally.unwanted++;
      this.fail(`a result nobody asked for: ${text}`);
    }
  }

  changed(what) {
    this.tally.changes++;
    this.fail(what);
  }

  onAck(ack) {
    if (ack?.seq === this.judging && ack.ack === 1) return;
    if (ack?.ack !== 0) this.changed(`a hostile trigger was taken: ${JSON.stringify(ack)}`);
    this.tally.acks++;
    this.acks.set(ack.code, (this.acks.get(ack.code) ?? 0) + 1);
  }

  onAnswer(answer) {
    this.answers.set(answer.id, answer);
    if (answer.ok !== 0) this.changed(`a hostile command was carried out: ${JSON.stringify(answer)}`);
    this.tally.refusals++;
  }

  make(topic) {
    const one = hostile(this.random, topic, { next: this.next, last: this.last, id: topic === 'cmd' ? ++this.id : 0 });
    if (one.uses) this.next++;
    return one;
  }

  async send({ topic, payload }) {
    this.tally.sent++;
    await this.client.say(topic, payload);
  }

  /** A second's worth, at a pace at which each must be answered as it is due. */
  async round() {
    this.acks = new Map();
    this.answers = new Map();
    const due = { acks: new Map(), answers: [] };
    const messages = Object.entries(batch).flatMap(([topic, n]) => Array.from({ length: n }, () => this.make(topic)));
    const began = performance.now();
    for (const [i, message] of shuffled(messages, this.random).entries()) {
      if (message.topic === 'trigger') due.acks.set(message.due, (due.acks.get(message.due) ?? 0) + 1);
      else if (message.due !== null) due.answers.push({ id: this.idOf(message), due: message.due, payload: message.payload });
      await this.send(message);
      await sleep(Math.max(0, began + (pace * (i + 1)) / messages.length - performance.now()));
    }
    const complete = () => same(due.acks, this.acks) && due.answers.every(({ id }) => this.answers.has(id));
    if (await within(answerLimit, complete)) {
      for (const { id, due: code, payload } of due.answers) {
        if (code !== 'no' && this.answers.get(id).code !== code)
          this.fail(`${payload}: answered ${this.answers.get(id).code}, due was ${code}`);
      }
      if (this.answers.size !== due.answers.length) this.fail(`${this.answers.size} answers to commands, ${due.answers.length} were due`);
      return;
    }
    this.tally.unanswered++;
    this.fail(`acks by code ${text(this.acks)}, due were ${text(due.acks)}; answers ${this.answers.size} of ${due.answers.length}`);
  }

  idOf({ payload }) {
    return Number(/"id":(\d+)/.exec(payload)[1]);
  }

  /** More at once than the station answers: what is above its limit is dropped, and nothing else changes. */
  async flood() {
    this.acks = new Map();
    this.answers = new Map();
    const messages = Object.entries(flood).flatMap(([topic, n]) => Array.from({ length: n }, () => this.make(topic)));
    await Promise.all(shuffled(messages, this.random).map((message) => this.send(message)));
    await sleep(floodPause);
    this.tally.floods++;
    const answered = [...this.acks.values()].reduce((a, b) => a + b, 0);
    this.tally.floodAnswers += answered;
    if (answered > flood.trigger) this.fail(`${answered} acks to ${flood.trigger} triggers`);
  }

  /** A part of its own: acknowledged and judged. Its limit rests on few shots, so that it may also be a fail; never an error. */
  async part() {
    const seq = this.next++;
    this.judging = seq;
    const result = this.client.next(({ topic, json }) => topic === 'result' && json?.seq === seq);
    await this.client.say('trigger', `${seq};GOOD${seq};0`);
    const found = await result;
    if (found?.json.resultState !== 1 || found.json.partId !== `GOOD${seq}`)
      this.fail(`our own part ${seq} got ${found?.text ?? 'no result'}: ${this.station.tail(500)}`);
    else this.tally.good++;
    this.last = seq;
  }

  /** Nothing may differ from `before` but the numbers of `parts` good parts. */
  async compare(before, parts) {
    const now = await stateOf(this.station);
    const [a, b] = [JSON.parse(before), JSON.parse(now)];
    a.rows[0] += parts;
    a.lastSeq = this.last;
    if (JSON.stringify(a) !== JSON.stringify(b)) this.changed(`the station was ${before} and is ${now}`);
    return now;
  }
}

function shuffled(list, random) {
  const left = [...list];
  for (let i = left.length - 1; i > 0; i--) {
    const j = between(random, 0, i);
    [left[i], left[j]] = [left[j], left[i]];
  }
  return left;
}

const same = (a, b) => a.size === b.size && [...a].every(([key, n]) => b.get(key) === n);
const text = (map) => JSON.stringify(Object.fromEntries(map));
