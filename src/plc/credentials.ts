/** Who the station is to the broker. Secrets come from files, never from the configuration itself, and go nowhere but to the broker. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { reason, VerdictdError } from '../errors';

/** Paths of files; `credential:NAME` is the systemd credential of that name. */
export interface CredentialFiles {
  username?: string | null;
  passwordFile?: string | null;
  caFile?: string | null;
  certFile?: string | null;
  keyFile?: string | null;
}

export interface Credentials {
  username?: string;
  password?: string;
  tls?: { ca?: Buffer; cert?: Buffer; key?: Buffer };
}

type Environment = Readonly<Record<string, string | undefined>>;

const credential = /^credential:(.*)$/s;
const readableByOthers = 0o004;

function refused(what: string, why: string, cause?: unknown): VerdictdError {
  return new VerdictdError('CONFIG_INVALID', `${what} ${why}`, { cause });
}

/**
 * Where a file of the configuration is: as written, or in the folder of credentials that systemd gave this service (LoadCredential=,
 * systemd.exec(5)). Throws CONFIG_INVALID for a credential that cannot be.
 */
export function placeOf(what: string, path: string, env: Environment = process.env): string {
  const [, name] = credential.exec(path) ?? [];
  if (name === undefined) return path;
  if (!/^(?!\.)[A-Za-z0-9_.-]{1,64}$/.test(name)) {
    throw refused(what, `is ${JSON.stringify(path)}: expected credential:NAME with 1 to 64 of A-Z, a-z, 0-9, _ . -`);
  }
  const dir = env.CREDENTIALS_DIRECTORY;
  if (dir === undefined || dir === '') {
    throw refused(
      what,
      `is ${path}, but systemd gave this process no credentials ($CREDENTIALS_DIRECTORY is not set). Add LoadCredential=${name}:FILE to the unit, or name a file.`,
    );
  }
  return join(dir, name);
}

/** `secret`: nobody but its owner and group may read it. */
function read(what: string, path: string, secret: boolean, env: Environment): Buffer {
  const place = placeOf(what, path, env);
  try {
    if (secret && (statSync(place).mode & readableByOthers) !== 0) {
      throw refused(
        what,
        `can be read by every user of this machine: ${place}. Make it private: chmod 600, owner the user that verdictd runs as.`,
      );
    }
    return readFileSync(place);
  } catch (thrown) {
    if (thrown instanceof VerdictdError) throw thrown;
    throw refused(
      what,
      `cannot be read: ${reason(thrown)}. Correct the path in the configuration, or let the user that verdictd runs as read the file.`,
      thrown,
    );
  }
}

/** What `parse` makes of a file; CONFIG_INVALID names the file, and never quotes it. */
function parsed<T>(what: string, expected: string, parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    throw refused(what, `is not what it should be (${reason(thrown)}); expected ${expected}.`, thrown);
  }
}

/**
 * Reads and checks the files; throws CONFIG_INVALID naming the one that cannot be used. One line end after the password is not part
 * of it. That a certificate is out of date is the broker's to say: a station may start before its clock is set.
 */
export function readCredentials(files: CredentialFiles, env: Environment = process.env): Credentials {
  const credentials: Credentials = {};
  if (files.username) credentials.username = files.username;
  if (files.passwordFile) {
    const password = read('plc.passwordFile', files.passwordFile, true, env)
      .toString('utf8')
      .replace(/\r?\n$/, '');
    if (password === '') throw refused('plc.passwordFile', `names an empty file: ${files.passwordFile}. Write the password into it.`);
    credentials.password = password;
  }
  const tls: NonNullable<Credentials['tls']> = {};
  if (files.caFile) tls.ca = authorities(read('plc.caFile', files.caFile, false, env));
  if (files.certFile) tls.cert = read('plc.certFile', files.certFile, false, env);
  if (files.keyFile) tls.key = read('plc.keyFile', files.keyFile, true, env);
  if (tls.cert !== undefined && tls.key !== undefined) matching(tls.cert, tls.key);
  if (Object.keys(tls).length > 0) credentials.tls = tls;
  return credentials;
}

/** Node takes a file without any certificate for an empty list, and then trusts nobody: that is said here. */
function authorities(ca: Buffer): Buffer {
  parsed('plc.caFile', 'one or more certificates in PEM form', () => new X509Certificate(ca));
  return ca;
}

function matching(cert: Buffer, key: Buffer): void {
  const certificate = parsed('plc.certFile', 'a certificate in PEM form', () => new X509Certificate(cert));
  const own = parsed('plc.keyFile', 'a private key in PEM form without a passphrase', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(own))
    throw refused('plc.keyFile', 'is not the key of plc.certFile. Give the two that were made together.');
}
