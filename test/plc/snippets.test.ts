/** The blocks of docs/plc decide as acceptance.ts does, and no condition in them can be changed without a row of the table failing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/package';
import { type Decision, type Input, rejections } from '../../src/plc/acceptance';
import { type Block, type Dialect, Instance, readBlock, type Token, type Value } from './st';
import { type Row, truthTable } from './truth_table';

const files: Record<Dialect, string> = { iec: 'verdict_gate.st', scl: 'verdict_gate.scl', logix: 'verdict_gate_logix.st' };
const dialects = Object.keys(files) as Dialect[];
const read = (dialect: Dialect): Block => readBlock(readFileSync(join(packageRoot, 'docs/plc', files[dialect]), 'utf8'), dialect);

/** `Reason` of the blocks from 1 on: 4 was given to one that cannot come, and is left out. */
const numbered = [...rejections.slice(0, 3), undefined, ...rejections.slice(3)];

/** What the PLC programmer wires for an event; positions of another part are no inputs of this instance. */
function inputsOf(input: Input, seq: Value): Record<string, Value> {
  switch (input.kind) {
    case 'trigger':
      return { Send: true, SendSeq: input.seq, SendRecipe: input.recipeId };
    case 'ack':
      return { AckNew: true, AckSeq: input.seq, AckAck: input.ack, AckCode: input.code };
    case 'acquired':
      return { AcquiredNew: true, AcquiredSeq: input.seq };
    case 'result':
      return {
        ResultNew: true,
        ResultV: input.v,
        ResultSeq: input.seq,
        ResultOk: input.ok,
        ResultSimulated: input.isSimulated,
        ResultRecipe: input.recipeId,
        ResultCode: input.code,
      };
    case 'heartbeat':
      return { BeatNew: true, Beat: input.hb };
    case 'edge':
      return { Edge: input.seq === seq };
    case 'left':
      return { Gone: input.seq === seq };
    case 'tick':
      return {};
  }
}

function decided(instance: Instance): Decision[] {
  const [open, reject, revoke] = ['Open', 'Reject', 'Revoke'].map((name) => instance.get(name));
  const [seq = 0, reason = 0, code = 0] = ['DecidedSeq', 'Reason', 'Code'].map((name) => Number(instance.get(name)));
  const decisions: Decision[] = [];
  if (open) decisions.push({ seq, gate: 'open' });
  if (revoke) decisions.push({ seq, gate: 'revoked', code });
  const name = numbered[reason - 1];
  if (reject === (name === undefined)) throw new Error(`Reject ${reject} with reason ${reason}`);
  if (reject && name !== undefined) decisions.push({ seq, gate: 'reject', reason: name, code });
  if (decisions.length === 0 && seq !== 0) throw new Error('a number without a decision');
  if (!reject && !revoke && code !== 0) throw new Error('a code without a no');
  return decisions;
}

/** The row, an event a cycle. */
function play(block: Block, { rule, steps }: Row): Decision[] {
  const instance = new Instance(block);
  const settings = {
    TAck: rule.tAck,
    TResult: rule.tResult,
    THeartbeat: rule.heartbeat,
    TEdge: rule.tEdge ?? 0,
  };
  let before = steps[0]?.[0] ?? 0;
  return steps.flatMap(([at, input]) => {
    instance.call({ ElapsedMs: at - before, AcceptSimulated: rule.acceptSimulated, ...settings, ...inputsOf(input, instance.get('Seq')) });
    before = at;
    return decided(instance);
  });
}

/** What no row can say: time that runs back, and a leap. Both reject the open part and end the heartbeat. */
function unbelievable(block: Block): Decision[][] {
  return [-1, 2_000_000_000].map((elapsed) => {
    const instance = new Instance(block);
    const steps: [number, Record<string, Value>][] = [
      [0, { BeatNew: true, Beat: 1 }],
      [0, { BeatNew: true, Beat: 2 }],
      [0, { Send: true, SendSeq: 7 }],
      [10, { AckNew: true, AckSeq: 7, AckAck: 1 }],
      [10, { AcquiredNew: true, AcquiredSeq: 7 }],
      [elapsed, {}],
      [0, { Send: true, SendSeq: 8 }],
      [10, { AckNew: true, AckSeq: 8, AckAck: 1 }],
      [10, { AcquiredNew: true, AcquiredSeq: 8 }],
      [10, { ResultNew: true, ResultV: 1, ResultSeq: 8, ResultOk: 1 }],
      [elapsed, {}],
      [elapsed, {}], // nothing overflows
    ];
    return steps.flatMap(([at, inputs]) => {
      instance.call({ ElapsedMs: at, ...inputs });
      return decided(instance);
    });
  });
}
const disbelieved: Decision[] = [
  { seq: 7, gate: 'reject', reason: 'noResult', code: 0 },
  { seq: 8, gate: 'reject', reason: 'heartbeat', code: 0 },
];

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

test.each(dialects)('%s: the interpreter refuses what the dialect would', (dialect) => {
  const wrong = (body: string) => () => {
    const declared = {
      iec: `VAR\n  A : DINT;\n  B : BOOL;\nEND_VAR\n\n${body}END_FUNCTION_BLOCK`,
      scl: `VAR\n  A : DInt;\n  B : Bool;\nEND_VAR\nBEGIN\n${body.replace(/\b[A-C]\b/g, '#$&')}END_FUNCTION_BLOCK`,
      logix: `//   A  DINT  local  0\n//   B  BOOL  local  0\n${body}`,
    };
    new Instance(readBlock(declared[dialect], dialect)).call({});
  };
  for (const body of [
    'C := 1;',
    'A := B;',
    'A := 1',
    'IF A THEN A := 1; END_IF;',
    'IF A = 0 THEN A := 1;',
    'A := 2147483647 + 1;',
    'A = 1;',
    'B := 2;',
  ])
    expect(wrong(body)).toThrow();
  expect(wrong(dialect === 'logix' ? 'B := TRUE;' : 'B := 1;')).toThrow();
  expect(wrong('IF NOT (A <> 0) AND NOT B THEN A := 1 + 2 * 3; ELSE A := B; END_IF;')).not.toThrow();
});

test.each(dialects)('%s: the block decides every row of the table as acceptance.ts does', (dialect) => {
  const block = read(dialect);
  for (const row of truthTable) expect([row.name, play(block, row)]).toEqual([row.name, row.decisions]);
});

test('the three blocks are one program', () => {
  const plain = ({ body }: Block) => body.map(({ text }) => ({ TRUE: '1', FALSE: '0' })[text] ?? text).join(' ');
  const shape = ({ variables }: Block) => [...variables].map(([name, { type, usage, initial }]) => [name, type, usage, initial]);
  const iec = read('iec');
  for (const dialect of ['scl', 'logix'] as const) {
    expect(plain(read(dialect))).toBe(plain(iec));
    expect(shape(read(dialect))).toEqual(shape(iec));
  }
});

test('a time that cannot be believed counts as long gone', () => {
  for (const dialect of dialects) expect(unbelievable(read(dialect))).toEqual([disbelieved, disbelieved]);
});

test('several events in one cycle of 20 ms: the gate never opens where it would not have, one event a cycle', () => {
  const block = read('iec');
  for (const row of truthTable) {
    const instance = new Instance(block);
    const cycles = new Map<number, Input[]>();
    for (const [at, input] of row.steps) {
      const cycle = Math.ceil(at / 20) * 20;
      cycles.set(cycle, [...(cycles.get(cycle) ?? []), input]);
    }
    const settings = { TAck: row.rule.tAck, TResult: row.rule.tResult, THeartbeat: row.rule.heartbeat, TEdge: row.rule.tEdge ?? 0 };
    let before: number | null = null;
    const opened: Decision[] = [];
    for (const [at, inputs] of [...cycles].sort(([a], [b]) => a - b)) {
      let elapsed: number = at - (before ?? at);
      before = at;
      let call: Record<string, Value> = {};
      const flush = () => {
        instance.call({ ElapsedMs: elapsed, AcceptSimulated: row.rule.acceptSimulated, ...settings, ...call });
        opened.push(...decided(instance).filter((one) => one.gate === 'open'));
        elapsed = 0;
        call = {};
      };
      for (const input of inputs) {
        const more = inputsOf(input, instance.get('Seq'));
        if (Object.keys(more).some((name) => name in call)) flush(); // a second message of a topic: called again
        call = { ...call, ...more };
      }
      flush();
    }
    expect([row.name, opened.length]).toEqual([
      row.name,
      Math.min(opened.length, row.decisions.filter((one) => one.gate === 'open').length),
    ]);
  }
});

const opposites: Record<string, string> = {
  '=': '<>',
  '<>': '=',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  AND: 'OR',
  OR: 'AND',
  TRUE: 'FALSE',
  FALSE: 'TRUE',
  '+': '-',
};

/** Every body with one token changed: an operator for its opposite, a NOT left out, a number one higher. */
function* mutants(block: Block): Generator<{ where: string; block: Block }> {
  for (const [n, token] of block.body.entries()) {
    const changed: Token | null =
      token.kind === 'number'
        ? { ...token, text: String(Number(token.text) + 1) }
        : token.text in opposites
          ? { ...token, text: opposites[token.text] ?? '' }
          : null;
    if (changed === null && token.text !== 'NOT') continue;
    const body = [...block.body.slice(0, n), ...(changed === null ? [] : [changed]), ...block.body.slice(n + 1)];
    const around = (list: readonly Token[]) => list.map(({ text }) => text).join(' ');
    const where = `${around(block.body.slice(Math.max(0, n - 6), n))} [${token.text}] ${around(block.body.slice(n + 1, n + 5))}`;
    yield { where, block: { ...block, body } };
  }
}

test('a wrong block fails the table: every condition, literal and operator changed, one at a time', () => {
  const survivors: string[] = [];
  let count = 0;
  for (const { where, block } of mutants(read('iec'))) {
    count++;
    const wrong = (run: () => boolean) => {
      try {
        return run();
      } catch {
        return true; // no longer a program
      }
    };
    const killed =
      truthTable.some((row) => wrong(() => !same(play(block, row), row.decisions))) ||
      wrong(() => !same(unbelievable(block), [disbelieved, disbelieved]));
    if (!killed) survivors.push(where);
  }
  process.stderr.write(`snippets: ${count} mutants, ${survivors.length} not told apart\n`);
  // 1000000 only keeps the sums within a DINT: one more or less is the same program.
  expect(survivors.filter((where) => !where.includes('1000000'))).toEqual([]);
});
