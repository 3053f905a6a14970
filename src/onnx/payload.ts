/** The walk over one TensorProto: its data is inside the file, of the length its shape says, and free of NaN and infinity. */
import { type Field, fields, integers, Malformed, message, type Span, text } from './source';
import { type DataType, dataTypes, TensorField } from './wire';

const typeNames = new Map<number, DataType>(Object.entries(dataTypes).map(([name, { code }]) => [code, name as DataType]));

/** Name of an element type, or a refusal: text, complex and quarter-byte numbers have no place here. */
export function typeName(code: number, where: string): DataType {
  const name = typeNames.get(code);
  if (name === undefined) throw new Malformed(`${where} has element type ${code}, which is not used here`);
  return name;
}

export interface TensorFacts {
  name: string;
  type: DataType;
  shape: number[];
}

const largestElements = 2 ** 31;

/** Shape check shared by weights and value infos. */
export function checkShape(shape: readonly number[], where: string): number {
  if (shape.length > 8) throw new Malformed(`${where} has ${shape.length} dimensions`);
  const count = shape.reduce((product, n) => product * n, 1);
  for (const n of shape)
    if (!Number.isSafeInteger(n) || n < 0 || n > largestElements) throw new Malformed(`${where} has an absurd dimension (${n})`);
  if (count > largestElements) throw new Malformed(`${where} has ${count} elements`);
  return count;
}

/** Throws Malformed for data outside the file, for a length that does not fit the shape, for NaN and infinity. */
export function checkTensor(span: Span, where: string): TensorFacts {
  const shape: number[] = [];
  let code = 0;
  let name = '';
  let raw: Span | null = null;
  const typed: Field[] = [];
  for (const field of fields(span)) {
    if (field.number === TensorField.dims) shape.push(...integers(field));
    else if (field.number === TensorField.dataType) code = field.value;
    else if (field.number === TensorField.name) name = text(field);
    else if (field.number === TensorField.rawData) raw = message(field);
    else if (field.number === TensorField.externalData) throw new Malformed(`${where} ${name} points to data outside the file`);
    else if (field.number === TensorField.dataLocation && field.value !== 0)
      throw new Malformed(`${where} ${name} says its data lies outside the file`);
    else if (field.number === TensorField.segment) throw new Malformed(`${where} ${name} is split into segments`);
    else if (field.number === TensorField.stringData) throw new Malformed(`${where} ${name} holds text`);
    else if (
      (
        [TensorField.floatData, TensorField.int32Data, TensorField.int64Data, TensorField.doubleData, TensorField.uint64Data] as number[]
      ).includes(field.number)
    )
      typed.push(field);
  }
  const label = `${where} ${name}`;
  const type = typeName(code, label);
  const count = checkShape(shape, label);
  if (raw !== null) checkRaw(raw, type, count, label, typed.length);
  else if (typed.length > 0) checkTyped(typed, type, count, label);
  else if (count > 0) throw new Malformed(`${label} has no data`);
  return { name, type, shape };
}

function checkRaw(raw: Span, type: DataType, count: number, label: string, others: number): void {
  const bytes = raw.end - raw.start;
  if (others > 0) throw new Malformed(`${label} has its data twice`);
  if (bytes !== count * dataTypes[type].bytes) throw new Malformed(`${label} has ${bytes} bytes of data for ${count} ${type}`);
  checkFinite(raw, type, label);
}

function checkTyped(typed: readonly Field[], type: DataType, count: number, label: string): void {
  let found = 0;
  for (const field of typed) {
    if (field.number === TensorField.floatData || field.number === TensorField.doubleData) {
      const width = field.number === TensorField.floatData ? 'float32' : 'float64';
      if (type !== width) throw new Malformed(`${label} is ${type} but gives ${width}`);
      const bytes = field.span.end - field.span.start;
      if (bytes % dataTypes[width].bytes !== 0) throw new Malformed(`${label} has ${bytes} bytes of ${width}`);
      checkFinite(field.span, width, label);
      found += bytes / dataTypes[width].bytes;
    } else {
      if (type === 'float32' || type === 'float64') throw new Malformed(`${label} is ${type} but gives whole numbers`);
      const values = integers(field);
      if (type === 'float16' || type === 'bfloat16') {
        const exponent = type === 'float16' ? 0x7c00 : 0x7f80;
        for (const bits of values) if ((bits & exponent) === exponent) throw new Malformed(`${label} holds NaN or infinity`);
      }
      found += values.length;
    }
  }
  if (found !== count) throw new Malformed(`${label} has ${found} numbers for ${count}`);
}

const step = 1 << 20;

/** All exponent bits set means NaN or infinity (IEEE 754). Bytes are looked at where the exponent lies: no alignment needed. */
function checkFinite({ source, start, end }: Span, type: DataType, label: string): void {
  const format = { float32: [4, 0x7f, 0x80], float64: [8, 0x7f, 0xf0], float16: [2, 0x7c, 0], bfloat16: [2, 0x7f, 0x80] }[type as string];
  if (format === undefined) return;
  const [width = 1, high = 0, next = 0] = format;
  for (let at = start; at < end; at += step) {
    const bytes = source.read(at, Math.min(step, end - at));
    for (let i = width - 1; i < bytes.length; i += width)
      if (((bytes[i] ?? 0) & high) === high && ((bytes[i - 1] ?? 0) & next) === next) throw new Malformed(`${label} holds NaN or infinity`);
  }
}
