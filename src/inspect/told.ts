import type { Diagnostics } from '../diagnostics';
import type { LoadArgs, Loaded } from './protocol';

/** Never a silent fallback: each rung that refused, and what runs instead; what of the load before is held; at each load, after a restart too. */
export function tellLoaded(diagnostics: Diagnostics, { args, loaded, name }: { args: LoadArgs; loaded: Loaded; name: string }): void {
  const refused = [
    ...loaded.refusals.map((one) => ({ ...one, of: 'model' })),
    ...loaded.bankRefusals.map((one) => ({ ...one, of: 'bank' })),
  ];
  for (const refusal of refused) diagnostics.warn(refusal, 'execution provider refused');
  for (const err of loaded.unreleased) diagnostics.warn({ err }, 'a session of the load before was not released: its memory is held');
  const { provider, rung, bankProvider, golden, ms } = loaded;
  const sha256 = args.model.sha256.slice(0, 8);
  diagnostics.info({ bundle: name, sha256, provider, rung, bankProvider, golden, ms: Math.round(ms) }, 'model loaded');
}
