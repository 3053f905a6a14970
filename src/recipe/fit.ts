import type { Bundle } from '../bundle/manifest';
import type { RecipeFile } from './recipe';

/** Why this recipe does not go with this bundle, as a sentence without full stop; null where it was taught with it. */
export function misfit({ id, bundle: taught }: RecipeFile, bundle: Bundle): string | null {
  if (taught.sha256 === bundle.sha256) return null;
  const inUse = `${bundle.manifest.name} ${bundle.sha256.slice(0, 8)} (${bundle.dir})`;
  return `the recipe ${id} was taught with bundle ${taught.name} ${taught.sha256.slice(0, 8)}, the one in use is ${inUse}`;
}
