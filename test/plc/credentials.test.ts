import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CredentialFiles, readCredentials } from '../../src/plc/credentials';
import { adviceFor } from '../../src/plc/trouble';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'verdictd-credentials-'));
  for (const name of ['one', 'two']) {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const made = ['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)];
    execFileSync('openssl', ['req', '-x509', ...curve, '-days', '2', '-subj', `/CN=${name}`, ...made], { stdio: 'pipe' });
    chmodSync(at(`${name}.key`), 0o600);
  }
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const at = (name: string) => join(dir, name);
function file(name: string, text: string, mode = 0o600): string {
  writeFileSync(at(name), text, { mode });
  chmodSync(at(name), mode);
  return at(name);
}
const refusal = (files: CredentialFiles, env = {}): string => {
  try {
    readCredentials(files, env);
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'CONFIG_INVALID' });
    return (thrown as Error).message;
  }
  throw new Error('nothing was refused');
};

test('a password is what stands in the file, without one line end', () => {
  expect(readCredentials({ username: 'u', passwordFile: file('p', 'pa55 word\n') })).toEqual({ username: 'u', password: 'pa55 word' });
  expect(readCredentials({ passwordFile: file('p', ' two\n\n') }).password).toBe(' two\n');
});

test('a credential of systemd, by its name', () => {
  mkdirSync(at('given'));
  file('given/mqtt-password', 'secret', 0o440);
  const env = { CREDENTIALS_DIRECTORY: at('given') };
  expect(readCredentials({ passwordFile: 'credential:mqtt-password' }, env)).toEqual({ password: 'secret' });
  expect(refusal({ passwordFile: 'credential:mqtt-password' })).toMatch(/^plc\.passwordFile .*LoadCredential=mqtt-password:FILE/);
  expect(refusal({ keyFile: 'credential:gone' }, env)).toMatch(/^plc\.keyFile cannot be read: .*ENOENT/);
  for (const name of ['', '../p', '..', '.p', 'a/b', 'a\0', 'a'.repeat(65)]) {
    expect(refusal({ caFile: `credential:${name}` }, env)).toMatch(/^plc\.caFile is .*expected credential:NAME/);
  }
});

test.each(['passwordFile', 'keyFile'])('%s that every user may read is refused', (key) => {
  for (const mode of [0o644, 0o604])
    expect(refusal({ [key]: file('open', 'secret', mode) })).toMatch(`plc.${key} can be read by every user`);
  expect(() => readCredentials({ passwordFile: file('open', 'secret', 0o640) })).not.toThrow();
});

test('what cannot be used is named, with what was expected, and its text is quoted nowhere', () => {
  const junk = file('junk', 'hunter2');
  const [cert, key] = [at('one.crt'), at('one.key')];
  const cases: [CredentialFiles, RegExp][] = [
    [{ passwordFile: file('empty', '\n') }, /^plc\.passwordFile names an empty file/],
    [{ passwordFile: at('gone') }, /^plc\.passwordFile cannot be read: .*ENOENT.*Correct the path/],
    [{ caFile: at('gone') }, /^plc\.caFile cannot be read/],
    [{ caFile: junk }, /^plc\.caFile is not what it should be .*certificates in PEM form/],
    [{ certFile: junk, keyFile: key }, /^plc\.certFile is not what it should be/],
    [{ certFile: cert, keyFile: junk }, /^plc\.keyFile is not what it should be .*without a passphrase/],
    [{ certFile: cert, keyFile: at('two.key') }, /^plc\.keyFile is not the key of plc\.certFile/],
  ];
  for (const [files, expected] of cases) {
    const message = refusal(files);
    expect(message).toMatch(expected);
    expect(message).not.toContain('hunter2');
  }
  expect(Object.keys(readCredentials({ caFile: cert, certFile: cert, keyFile: key }).tls ?? {})).toEqual(['ca', 'cert', 'key']);
});

test.each([
  ['self-signed certificate in certificate chain', 'plc.caFile'],
  ['unable to verify the first certificate', 'plc.caFile'],
  ['certificate has expired', 'clock'],
  ["Hostname/IP does not match certificate's altnames: Host: localhost. is not in the cert's altnames", 'plc.url a name'],
  ['error:0A00045C:SSL routines::tlsv13 alert certificate required', 'plc.certFile'],
  ['error:0A000418:SSL routines::tlsv1 alert unknown ca', 'plc.certFile'],
  ['error:0A00010B:SSL routines::wrong version number', '8883'],
  ['Connection refused: Not authorized', 'plc.username'],
  ['read ECONNRESET', 'speaks TLS'],
  ['connect ECONNREFUSED 127.0.0.1:1883', 'Start the broker'],
])('%s: what to do names %s', (why, expected) => {
  expect(adviceFor(why, 'mqtts://broker')).toContain(expected);
});
