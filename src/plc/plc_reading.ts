/** The station's payloads as a PLC reads them. */
import type { Input } from './acceptance';
import type { PlainTopic } from './topics';

/** The keys of a payload; none where it is not JSON. Never throws. */
export function readRecord(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {}; // not ours to mend: every field reads as -1, so nothing is accepted
  }
}

/** What a PLC makes of a payload: the fields it needs as integers, -1 for what is missing or is none. Never throws. */
export function readMessage(name: PlainTopic, text: string): Input | null {
  if (name === 'result/csv') {
    const [v, seq, ok, , code, , isSimulated, , , recipeId] = text
      .split(';')
      .map((field) => (/^\d{1,10}$/.test(field) ? Number(field) : -1));
    const or = (value: number | undefined) => value ?? -1;
    return {
      kind: 'result',
      v: or(v),
      seq: or(seq),
      ok: or(ok),
      isSimulated: or(isSimulated),
      recipeId: or(recipeId),
      code: or(code),
    };
  }
  const fields = readRecord(text);
  const int = (key: string): number => {
    const value = fields[key];
    return typeof value === 'number' && Number.isInteger(value) ? value : -1;
  };
  switch (name) {
    case 'ack':
      return { kind: 'ack', seq: int('seq'), ack: int('ack'), code: int('code') };
    case 'acquired':
      return { kind: 'acquired', seq: int('seq') };
    case 'heartbeat':
      return { kind: 'heartbeat', hb: int('hb') };
    case 'result':
      return {
        kind: 'result',
        v: int('v'),
        seq: int('seq'),
        ok: int('ok'),
        isSimulated: int('isSimulated'),
        recipeId: int('recipeId'),
        code: int('resultEvaluationCode'),
      };
    default:
      return null;
  }
}

/** partId of a verdict in either form; '' where it cannot be read. */
export function readPartId(name: PlainTopic, text: string): string {
  if (name === 'result/csv') return text.split(';')[11] ?? '';
  const { partId } = readRecord(text);
  return typeof partId === 'string' ? partId : '';
}

/** resultId of a verdict in JSON; '' where there is none. */
export function readResultId(text: string): string {
  const { resultId } = readRecord(text);
  return typeof resultId === 'string' ? resultId : '';
}
