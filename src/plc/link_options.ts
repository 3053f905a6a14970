/** What the link is told, and what it asks others. */
import type { Diagnostics } from '../diagnostics';
import type { Clock, Entry, Ms, Stats } from '../ports';
import type { RunCommand } from './command_door';
import type { CredentialFiles } from './credentials';
import type { Outbox } from './journal';
import type { About } from './topics';

export interface LinkOptions extends CredentialFiles {
  url: string; // mqtt://host:port or mqtts://host:port
  station: string; // [a-z0-9-]{1,32}
  base: string; // base topic, e.g. verdictd/demo
  ttl: Ms; // of a verdict, from trigger to publish
  heartbeat: Ms; // period
  acceptSimulated: boolean; // commissioning: simulated parts may be ok
  triggerMode: About['triggerMode'];
  maxOpen: number;
  /** Triggers handled per second; what exceeds it is counted, not answered. Default 100. */
  triggersPerSecond?: number;
}

export interface LinkDeps {
  clock: Clock;
  diagnostics: Diagnostics;
  outbox: Outbox;
  /** Last sequence number used, for the heartbeat: the PLC continues behind it. */
  lastSeq: () => number;
  stats?: () => Stats;
  /** Told when `connected()` changes, so that the state can follow at once. */
  onConnection?: (connected: boolean) => void;
  /** Carries out a command of `cmd`. Without it commands are not answered. */
  command?: RunCommand;
  /** Journal entries after a number, delivered ones too, for `replay`. */
  entries?: (after: number, n: number) => Promise<Entry[]>;
}
