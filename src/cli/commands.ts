/** Every command, in the order of the help. */
import { register as backup } from './backup';
import { register as bench } from './bench';
import { register as calibrate } from './calibrate';
import { register as camera, registerSnap as snap } from './camera';
import { register as config } from './config';
import { register as dataset } from './dataset';
import { register as doctor } from './doctor';
import { register as evaluate } from './evaluate';
import { register as inspect } from './inspect';
import { register as log } from './log';
import { register as lot } from './lot';
import { register as master } from './master';
import { register as model } from './model';
import { register as plcSim } from './plc_sim';
import type { Register } from './program';
import { register as recipe } from './recipe';
import { register as run } from './run';
import { register as status } from './status';
import { register as teach } from './teach';
import { register as trend } from './trend';

export const commands: readonly Register[] = [
  run,
  status,
  trend,
  inspect,
  teach,
  calibrate,
  evaluate,
  recipe,
  master,
  model,
  log,
  lot,
  backup,
  dataset,
  camera,
  snap,
  plcSim,
  doctor,
  bench,
  config,
];
