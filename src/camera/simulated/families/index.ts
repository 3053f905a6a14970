import type { Family } from '../family';
import { board } from './board';
import { label } from './label';
import { leather } from './leather';
import { moulded } from './moulded';
import { perforated } from './perforated';
import { plate } from './plate';
import { textile } from './textile';
import { wood } from './wood';

/** Every kind of product the simulated line makes. */
export const families = { plate, board, moulded, textile, wood, leather, perforated, label } as const satisfies Record<string, Family>;
export type FamilyName = keyof typeof families;
export const familyNames = Object.keys(families) as [FamilyName, ...FamilyName[]];
