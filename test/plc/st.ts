/**
 * Runs the structured text of docs/plc: the subset that its blocks use (assignment, IF, boolean and DINT expressions), in three
 * dialects. Stricter than a PLC: an unknown name, a BOOL where a number belongs, a DINT that overflows are errors.
 */
export type Dialect = 'iec' | 'scl' | 'logix';
export type Value = number | boolean;

export interface Token {
  kind: 'name' | 'number' | 'sign';
  text: string; // names as written, without the # of SCL
}

interface Variable {
  type: 'BOOL' | 'DINT';
  usage: 'input' | 'output' | 'local';
  initial: Value;
}

/** A function block: its variables and the tokens of its body. */
export interface Block {
  dialect: Dialect;
  variables: ReadonlyMap<string, Variable>;
  body: readonly Token[];
}

const keywords = new Set(['IF', 'THEN', 'ELSIF', 'ELSE', 'END_IF', 'AND', 'OR', 'NOT', 'TRUE', 'FALSE']);
const signs = /^(:=|<>|<=|>=|[<>=+\-*();])/;

function tokens(source: string, dialect: Dialect): Token[] {
  const list: Token[] = [];
  let rest = source.replace(/\(\*[\s\S]*?\*\)/g, ' ').replace(/\/\/.*$/gm, ' ');
  for (rest = rest.trimStart(); rest !== ''; rest = rest.trimStart()) {
    const name = /^#?[A-Za-z_]\w*/.exec(rest)?.[0];
    const text = name ?? /^\d+/.exec(rest)?.[0] ?? signs.exec(rest)?.[0];
    if (text === undefined) throw new Error(`cannot be read: ${rest.slice(0, 40)}`);
    rest = rest.slice(text.length);
    if (name === undefined) list.push({ kind: /^\d/.test(text) ? 'number' : 'sign', text });
    else if (keywords.has(name)) list.push({ kind: 'sign', text: name });
    else {
      if (name.startsWith('#') !== (dialect === 'scl')) throw new Error(`${name}: a name of this block has a # in SCL, and only there`);
      list.push({ kind: 'name', text: name.replace('#', '') });
    }
  }
  return list;
}

function variablesOf(source: string, dialect: Dialect): Map<string, Variable> {
  const variables = new Map<string, Variable>();
  const add = (name: string, type: string, usage: string, initial: string | undefined) => {
    const bool = type.toUpperCase() === 'BOOL';
    if (!bool && type.toUpperCase() !== 'DINT') throw new Error(`${name}: type ${type} is not known here`);
    const usages = { VAR_INPUT: 'input', VAR_OUTPUT: 'output', VAR: 'local', input: 'input', output: 'output', local: 'local' } as const;
    const number = Number(initial ?? 0);
    if (!Number.isInteger(number) || variables.has(name)) throw new Error(`${name}: declared wrongly`);
    variables.set(name, {
      type: bool ? 'BOOL' : 'DINT',
      usage: usages[usage as keyof typeof usages],
      initial: bool ? number !== 0 : number,
    });
  };
  if (dialect === 'logix') {
    for (const [, name = '', type = '', usage = '', initial] of source.matchAll(
      /^\/\/ {3}(\w+) +(BOOL|DINT) +(input|output|local) +(\d+)/gm,
    ))
      add(name, type, usage, initial);
  } else {
    for (const [, usage = '', lines = ''] of source.matchAll(/^(VAR_INPUT|VAR_OUTPUT|VAR)$([\s\S]*?)^END_VAR$/gm))
      for (const [, name = '', type = '', initial] of lines.matchAll(/^ *(\w+) : (\w+)(?: := (\d+))?;/gm)) add(name, type, usage, initial);
  }
  return variables;
}

/** Reads a block; throws on what is outside the subset. */
export function readBlock(source: string, dialect: Dialect): Block {
  const parts = { iec: /END_VAR\n\n([\s\S]*)END_FUNCTION_BLOCK/, scl: /^BEGIN$([\s\S]*)END_FUNCTION_BLOCK/m, logix: /([\s\S]*)/ };
  const body = parts[dialect].exec(source)?.[1];
  if (body === undefined) throw new Error('no body');
  return { dialect, variables: variablesOf(source, dialect), body: tokens(body, dialect) };
}

const dint = 2 ** 31;

/** One instance of a block: its variables live from call to call. */
export class Instance {
  private readonly values = new Map<string, Value>();
  private at = 0;

  constructor(private readonly block: Block) {
    for (const [name, { initial }] of block.variables) this.values.set(name, initial);
  }

  get(name: string): Value {
    const value = this.values.get(name);
    if (value === undefined) throw new Error(`${name} is not declared`);
    return value;
  }

  /** One cycle. Inputs that are not given: numbers keep their value, BOOLs are false. Throws on an error in the block. */
  call(inputs: Readonly<Record<string, Value>>): void {
    for (const [name, { type, usage }] of this.block.variables) if (usage === 'input' && type === 'BOOL') this.values.set(name, false);
    for (const [name, value] of Object.entries(inputs)) {
      if (this.block.variables.get(name)?.usage !== 'input') throw new Error(`${name} is no input`);
      this.assign(name, value);
    }
    this.at = 0;
    this.statements(true);
    if (this.at !== this.block.body.length) throw new Error(`unexpected ${this.peek}`);
  }

  private get peek(): string {
    return this.block.body[this.at]?.text ?? 'end';
  }

  private take(text: string): void {
    if (this.peek !== text) throw new Error(`expected ${text}, found ${this.peek} at token ${this.at}`);
    this.at++;
  }

  private is(...texts: string[]): string | null {
    const found = this.block.body[this.at];
    if (found?.kind !== 'sign' || !texts.includes(found.text)) return null;
    this.at++;
    return found.text;
  }

  private assign(name: string, value: Value): void {
    const variable = this.block.variables.get(name);
    if (variable === undefined) throw new Error(`${name} is not declared`);
    const bit = this.block.dialect === 'logix' && variable.type === 'BOOL' && (value === 0 || value === 1) ? value === 1 : value;
    if ((variable.type === 'BOOL') !== (typeof bit === 'boolean')) throw new Error(`${name}: ${value} is no ${variable.type}`);
    if (typeof bit === 'number' && (bit < -dint || bit >= dint)) throw new Error(`${name}: ${bit} overflows`);
    this.values.set(name, bit);
  }

  /** Statements up to ELSIF, ELSE, END_IF or the end; with `run` false they are read only. */
  private statements(run: boolean): void {
    while (this.at < this.block.body.length && !['ELSIF', 'ELSE', 'END_IF'].includes(this.peek)) {
      if (this.is('IF') !== null) this.branches(run);
      else {
        const token = this.block.body[this.at++];
        if (token?.kind !== 'name') throw new Error(`unexpected ${token?.text}`);
        this.take(':=');
        const value = this.or();
        if (run) this.assign(token.text, value);
      }
      this.take(';');
    }
  }

  private branches(run: boolean): void {
    let done = false;
    do {
      const condition = this.bool(this.or());
      this.take('THEN');
      this.statements(run && condition && !done);
      done ||= condition;
    } while (this.is('ELSIF') !== null);
    if (this.is('ELSE') !== null) this.statements(run && !done);
    this.take('END_IF');
  }

  private bool(value: Value): boolean {
    if (typeof value !== 'boolean') throw new Error(`${value} is no condition (token ${this.at})`);
    return value;
  }

  private number(value: Value): number {
    if (typeof value !== 'number' || Math.abs(value) > dint) throw new Error(`${value} is no DINT (token ${this.at})`);
    return value;
  }

  // Strongest last: OR, AND, comparison, sum, product, NOT.
  private or(): Value {
    let left = this.and();
    while (this.is('OR') !== null) left = [this.bool(left), this.bool(this.and())].some(Boolean);
    return left;
  }

  private and(): Value {
    let left = this.comparison();
    while (this.is('AND') !== null) left = [this.bool(left), this.bool(this.comparison())].every(Boolean);
    return left;
  }

  private comparison(): Value {
    const value = this.sum();
    const sign = this.is('=', '<>', '<', '<=', '>', '>=');
    if (sign === null) return value;
    const [left, right] = [this.number(value), this.number(this.sum())];
    const signOf = Math.sign(left - right);
    return { '=': [0], '<>': [-1, 1], '<': [-1], '<=': [-1, 0], '>': [1], '>=': [0, 1] }[sign]?.some((one) => one === signOf) ?? false;
  }

  private sum(): Value {
    let left = this.product();
    for (let sign = this.is('+', '-'); sign !== null; sign = this.is('+', '-')) {
      const right = this.number(this.product());
      left = this.number(left) + (sign === '+' ? right : -right);
    }
    return left;
  }

  private product(): Value {
    let left = this.factor();
    while (this.is('*') !== null) left = this.number(left) * this.number(this.factor());
    return left;
  }

  private factor(): Value {
    if (this.is('NOT') !== null) return !this.bool(this.factor());
    if (this.is('(') !== null) {
      const value = this.or();
      this.take(')');
      return value;
    }
    const token = this.block.body[this.at++];
    if (token?.kind === 'number') return Number(token.text);
    if (token?.kind === 'name') return this.get(token.text);
    if (this.block.dialect !== 'logix' && (token?.text === 'TRUE' || token?.text === 'FALSE')) return token.text === 'TRUE';
    throw new Error(`unexpected ${token?.text}`);
  }
}
