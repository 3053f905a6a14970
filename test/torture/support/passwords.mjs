// A password file of mosquitto, so that a right password becomes a wrong one while the station runs.
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';

const iterations = 101; // as mosquitto_passwd writes them

/** Writes `file` with one user; mosquitto's form $7$ (PBKDF2, SHA-512). */
export function writePasswords(file, user, password) {
  const salt = randomBytes(12);
  const hash = pbkdf2Sync(password, salt, iterations, 64, 'sha512');
  writeFileSync(file, `${user}:$7$${iterations}$${salt.toString('base64')}$${hash.toString('base64')}\n`, { mode: 0o600 });
}
