/** `verdictd status`: what the running station says of itself. */
import type { Command } from 'commander';
import { alarms, codes } from '../codes';
import { ExitCode } from '../errors';
import type { Status } from '../station/control';
import { limit } from '../watch/ewma';
import type { WatchStatus } from '../watch/watch';
import type { Context } from './context';
import { askStation } from './running';

/** How the line has been going lately: shared by `status`, `doctor` and `trend`. */
export function watchLines({ rejectsInRow, sinceReject, baselineMissing, journalDropped, drift, alarms: on }: WatchStatus): string[] {
  const figure = (name: string, value: number | null) => `${name} ${value === null ? '-' : value.toFixed(2)}`;
  const learned = baselineMissing === 0 ? '' : `; ${baselineMissing} good parts more until there is a baseline`;
  return [
    `${rejectsInRow} rejects in a row, ${sinceReject} parts since the last reject`,
    `drift (standard deviations, limit ${limit.toFixed(2)}): ${figure('score', drift.score)}, ${figure('brightness', drift.brightness)}, ${figure('sharpness', drift.sharpness)}${learned}`,
    ...(journalDropped === 0 ? [] : [`${journalDropped} journal records were removed undelivered`]),
    ...on.map((code) => `alarm ${code}: ${alarms[code].text}; ${alarms[code].fix}`),
  ];
}

export function statusLines(status: Status): string[] {
  const { state, sub, code, ready, broker, openParts, lastSeq, stats, camera, inference, log, uptime, watch } = status;
  const why = code === 0 ? '' : ` (${code}: ${codes[code].text}; ${codes[code].fix})`;
  const faults = Object.entries(camera?.faults ?? {}).map(([cause, n]) => `${cause} ${n}`);
  return [
    `state      ${[state, sub].filter((word) => word !== '').join('/')}, ready ${ready}${why}`,
    `up         ${uptime} s, broker ${broker ? 'connected' : 'not connected'}, open parts ${openParts}, last seq ${lastSeq}`,
    `parts      ${stats.ok} ok, ${stats.ng} not ok, ${stats.undecided} undecided, ${stats.errors} errors`,
    camera === null
      ? 'camera     none in use'
      : `camera     ${camera.connected ? 'connected' : 'not connected'}, ${camera.frames} frames${camera.temperature === null ? '' : `, ${camera.temperature.toFixed(1)} C`}${faults.length === 0 ? '' : `, faults: ${faults.join(', ')}`}`,
    ...Object.entries(camera?.values ?? {}).map(([name, value]) => `           ${name} ${value}`),
    `inference  ${inference === null ? 'no model' : `${inference.provider}, worker restarted ${inference.restarts} times`}`,
    `log        ${log.waiting} verdicts wait to be written, ${log.dropped} lost`,
    ...watchLines(watch).map((text, i) => `${i === 0 ? 'line' : ''.padEnd(4)}       ${text}`),
  ];
}

export function register(program: Command, context: Context): void {
  program
    .command('status')
    .description('Ask the running station how it is; exit code 1 where it is not Operational.')
    .action(async () => {
      const { io } = context;
      const status = (await askStation(context, 'status', {})).value as Status;
      if (status.state !== 'Operational') context.exitCode = ExitCode.failed;
      if (io.json) io.outJson(status);
      else for (const line of statusLines(status)) io.out(line);
    });
}
