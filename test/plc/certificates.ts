/** Certificates for tests, made with openssl: an authority, and what it signs. */
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const openssl = (args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export interface Pair {
  cert: string; // path
  key: string; // path
}

export class Authority {
  readonly cert: string;
  private readonly key: string;
  private serial = 1;

  constructor(
    private readonly dir: string,
    private readonly name: string,
  ) {
    this.cert = join(dir, `${name}.crt`);
    this.key = join(dir, `${name}.key`);
    openssl(['req', '-x509', ...curve, '-days', '2', '-subj', `/CN=${name}`, '-keyout', this.key, '-out', this.cert]);
  }

  /** A certificate with this common name. `san`: names it carries, as `IP:127.0.0.1`; `expired`: it ended yesterday. */
  sign(commonName: string, { san = '', expired = false } = {}): Pair {
    const stem = join(this.dir, `${this.name}-${commonName}-${this.serial}`);
    const pair = { cert: `${stem}.crt`, key: `${stem}.key` };
    const request = `${stem}.csr`;
    openssl(['req', '-new', ...curve, '-subj', `/CN=${commonName}`, '-keyout', pair.key, '-out', request]);
    const extensions = `${stem}.ext`;
    writeFileSync(extensions, san === '' ? '' : `subjectAltName=${san}\n`);
    const by = ['-CA', this.cert, '-CAkey', this.key, '-set_serial', String(this.serial++)];
    openssl(['x509', '-req', '-in', request, ...by, '-days', expired ? '-1' : '2', '-extfile', extensions, '-out', pair.cert]);
    chmodSync(pair.key, 0o600);
    return pair;
  }
}
