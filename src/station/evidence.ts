import { thumbnail, wholePicture } from '../camera/stream';
import type { Diagnostics } from '../diagnostics';
import { reason } from '../errors';
import type { Pictures } from '../evidence/pictures';
import type { Findings, Frame, Verdict } from '../ports';

/** Copies what the picture needs, then gives the slot back. A picture that fails costs nothing but itself. */
export function keepEvidence(
  pictures: Pictures,
  verdict: Verdict,
  frame: Frame,
  findings: Findings | null,
  { room, diagnostics }: { room: boolean; diagnostics: Diagnostics },
): void {
  try {
    const wanted = room ? pictures.choose(verdict) : 'none';
    const whole = wanted === 'whole' ? wholePicture(frame) : null;
    if (wanted !== 'none') pictures.add(verdict, thumbnail(frame), findings?.map ?? null, whole);
  } catch (thrown) {
    diagnostics.error({ resultId: verdict.part.resultId, err: reason(thrown) }, 'no picture of this part');
  }
  frame.release();
}
