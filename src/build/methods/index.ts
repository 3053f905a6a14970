import type { Method, MethodName } from '../method';
import { anomalyclip } from './anomalyclip';
import { anovl } from './anovl';
import { aprilGan } from './april_gan';
import { clip } from './clip';
import { sowa } from './sowa';
import { winclip } from './winclip';

/** Methods that `model build` knows. */
export const methods: Readonly<Record<MethodName, Method>> = { anomalyclip, winclip, 'april-gan': aprilGan, sowa, clip, anovl };
