/** The thread that renders the simulated line. Buffers travel in and out; nothing of a frame's size is copied. */
import { Moved, serve } from '../threads';
import type { ProductSpec } from './simulated/product';
import { prepareProduct, type RenderSpec, renderBayer, renderPart } from './simulated/render';

const methods = {
  /** Paints the product; takes seconds at full camera resolution. */
  prepare(product: ProductSpec): void {
    prepareProduct(product);
  },
  /** Renders one part as BayerRG8 into `buffer` (width * height bytes), which moves back. */
  render({ spec, buffer }: { spec: RenderSpec; buffer: ArrayBuffer }): Moved<ArrayBuffer> {
    renderBayer(spec, new Uint8Array(buffer));
    return new Moved(buffer, [buffer]);
  },
  /** One part as RGB, with the mask of its defect. */
  part(spec: RenderSpec): Moved<ReturnType<typeof renderPart>> {
    const part = renderPart(spec);
    const buffers = part.mask === null ? [part.rgb.buffer] : [part.rgb.buffer, part.mask.buffer];
    return new Moved(part, buffers as ArrayBuffer[]);
  },
};
export type RenderMethods = typeof methods;

serve(methods);
