import { readFileSync } from 'node:fs';
import { reason, VerdictdError } from '../errors';

/** Who the station is to the broker. Secrets come from files, never from the configuration itself. */
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

function read(what: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (thrown) {
    throw new VerdictdError(
      'CONFIG_INVALID',
      `${what} cannot be read: ${reason(thrown)}. Correct the path in the configuration, or let the user that verdictd runs as read the file.`,
      { cause: thrown },
    );
  }
}

/** Reads the files; throws CONFIG_INVALID naming the one that cannot be read. One line end after the password is not part of it. */
export function readCredentials(files: CredentialFiles): Credentials {
  const credentials: Credentials = {};
  if (files.username) credentials.username = files.username;
  if (files.passwordFile)
    credentials.password = read('plc.passwordFile', files.passwordFile)
      .toString('utf8')
      .replace(/\r?\n$/, '');
  const tls: NonNullable<Credentials['tls']> = {};
  if (files.caFile) tls.ca = read('plc.caFile', files.caFile);
  if (files.certFile) tls.cert = read('plc.certFile', files.certFile);
  if (files.keyFile) tls.key = read('plc.keyFile', files.keyFile);
  if (Object.keys(tls).length > 0) credentials.tls = tls;
  return credentials;
}
