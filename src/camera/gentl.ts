/**
 * The environment that the Spinnaker library reads when it is first used. Its installer writes it where a login shell looks, and
 * systemd does not.
 */
import { existsSync } from 'node:fs';

/** Variable and file of each version of the library. */
export const producers = [
  { variable: 'SPINNAKER_GENTL64_CTI', file: '/opt/spinnaker/lib/spinnaker-gentl/Spinnaker_GenTL.cti' }, // 4
  { variable: 'FLIR_GENTL64_CTI', file: '/opt/spinnaker/lib/flir-gentl/FLIR_GenTL.cti' }, // 3
] as const;

/** Sets what is unset and whose file is there. On the main thread only: in a worker `process.env` is a copy. */
export function setProducers(env: Record<string, string | undefined> = process.env, exists: (file: string) => boolean = existsSync): void {
  for (const { variable, file } of producers) if (env[variable] === undefined && exists(file)) env[variable] = file;
}

/** Where the library is looked for: the configuration's path, else VERDICTD_SPINNAKER_LIBRARY, else '' for the usual places. */
export function libraryPath(configured: string | null, env: Readonly<Record<string, string | undefined>> = process.env): string {
  return configured ?? env.VERDICTD_SPINNAKER_LIBRARY ?? '';
}
