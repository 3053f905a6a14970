import type { Config } from '../config/load';
import { SimulatedPlc } from '../plc/simulator';
import type { Clock } from '../ports';
import type { Rooms } from './rooms';

/** The stand-in for a PLC, where the configuration wants one. */
export function startDemo({ demo, plc: { url, baseTopic, ttl, heartbeat } }: Config, rooms: Rooms, clock: Clock): void {
  if (!demo.plc) return;
  const plc = new SimulatedPlc({ url, base: baseTopic, period: demo.period, rule: { tResult: ttl, heartbeat }, heartbeat: true }, clock);
  plc.start();
  rooms.add('simulated PLC', () => plc.stop());
}
