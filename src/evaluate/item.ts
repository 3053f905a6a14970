/** What every reader of data sets gives: pictures of parts whose truth is known. */
import { VerdictdError } from '../errors';

/** px of the picture. */
export interface Box {
  x: number; // left
  y: number; // top
  width: number; // > 0
  height: number; // > 0
}

/** Where the defect of a picture is said to be. */
export type GroundTruth = { kind: 'mask'; path: string } | { kind: 'boxes'; boxes: readonly Box[] };

/** One picture of a part whose truth is known. */
export interface Item {
  name: string; // relative to the data set
  path: string;
  good: boolean;
  /** Kind of the defect; null of a good part. */
  defect: string | null;
  truth: GroundTruth | null;
}

/** One product of a set, as its reader found it. */
export interface ProductSet {
  train: string[]; // paths of good parts to teach from
  test: Item[];
  /** What is missing, contradictory or left out, a sentence each. */
  problems: string[];
}

export interface Dataset extends ProductSet {
  root: string; // absolute
  layout: 'mvtec' | 'ad-clip' | 'labels';
  products: string[]; // those read; empty where the set is of one product without a name
  /** SHA-256 over names and contents of every picture: says which data a report is about. */
  fingerprint: string;
  hashed: { md5: number; sha256: number }; // pictures whose listed hash was confirmed
}

/** The error of a set that cannot be evaluated: what is wrong, and what to do. */
export function refuseDataset(what: string, todo: string, details: readonly string[] = []): VerdictdError {
  return new VerdictdError('DATASET_REFUSED', `${what}. ${todo}`, { details });
}
