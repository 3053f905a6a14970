/** Bytes that are checked and then used: what onnxruntime is given is what was hashed, whatever happens to the file meanwhile. */
import { open } from 'node:fs/promises';
import { alteration, plainFile, sha256 as sha256Of, unreadable } from '../hash';

/** A file and what its manifest says of it. */
export interface Hashed {
  path: string;
  sha256: string;
}

/** The whole file. Throws Error with a sentence where it is missing, a link, not a regular file, or another than it was. */
export async function readVerified({ path, sha256 }: Hashed): Promise<Buffer> {
  let bytes: Buffer;
  try {
    const file = await open(path, plainFile);
    try {
      if (!(await file.stat()).isFile()) throw new Error('it is not a regular file');
      bytes = await file.readFile();
    } finally {
      await file.close();
    }
  } catch (thrown) {
    throw new Error(`${path} ${unreadable(thrown)}`, { cause: thrown });
  }
  const wrong = alteration({ sha256: sha256Of(bytes), bytes: bytes.length }, { sha256 });
  if (wrong !== null) throw new Error(`${path} ${wrong}`);
  return bytes;
}
