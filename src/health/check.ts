/** One thing that was looked at, for `verdictd doctor`. */
export interface Check {
  id: string; // dotted, stable
  ok: boolean;
  detail: string; // what was found, a sentence
  fix: string | null; // what to do, exactly; null where it is ok
}

export function good(id: string, detail: string): Check {
  return { id, ok: true, detail, fix: null };
}

export function bad(id: string, detail: string, fix: string): Check {
  return { id, ok: false, detail, fix };
}
