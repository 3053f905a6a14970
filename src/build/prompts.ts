/**
 * State words and templates of the prompt ensembles, as the authors list them (facts, and part of what their scores are):
 * WinCLIP: anomalib winclip/prompting.py (one template is there twice, and counts twice); APRIL-GAN: ByChelsea/VAND-APRIL-GAN
 * prompt_ensemble.py; AnoVL: hq-deng/AnoVL. A text feature is a mean over all states in all templates.
 */
export interface Ensemble {
  normal: readonly string[];
  anomalous: readonly string[];
  templates: readonly string[];
}

const flawless = [
  '{}',
  'flawless {}',
  'perfect {}',
  'unblemished {}',
  '{} without flaw',
  '{} without defect',
  '{} without damage',
] as const;
const flawed = ['{} with flaw', '{} with defect', '{} with damage'] as const;

export const winclip: Ensemble = {
  normal: flawless,
  anomalous: ['damaged {}', ...flawed],
  templates: [
    'a cropped photo of the {}.',
    'a close-up photo of a {}.',
    'a close-up photo of the {}.',
    'a bright photo of a {}.',
    'a bright photo of the {}.',
    'a dark photo of the {}.',
    'a dark photo of a {}.',
    'a jpeg corrupted photo of the {}.',
    'a jpeg corrupted photo of the {}.',
    'a blurry photo of the {}.',
    'a blurry photo of a {}.',
    'a photo of a {}.',
    'a photo of the {}.',
    'a photo of a small {}.',
    'a photo of the small {}.',
    'a photo of a large {}.',
    'a photo of the large {}.',
    'a photo of the {} for visual inspection.',
    'a photo of a {} for visual inspection.',
    'a photo of the {} for anomaly detection.',
    'a photo of a {} for anomaly detection.',
  ],
};

export const aprilGan: Ensemble = {
  normal: flawless,
  anomalous: ['damaged {}', 'broken {}', ...flawed],
  templates: [
    'a bad photo of a {}.',
    'a low resolution photo of the {}.',
    'a bad photo of the {}.',
    'a cropped photo of the {}.',
    'a bright photo of a {}.',
    'a dark photo of the {}.',
    'a photo of my {}.',
    'a photo of the cool {}.',
    'a close-up photo of a {}.',
    'a black and white photo of the {}.',
    'a bright photo of the {}.',
    'a cropped photo of a {}.',
    'a jpeg corrupted photo of a {}.',
    'a blurry photo of the {}.',
    'a photo of the {}.',
    'a good photo of the {}.',
    'a photo of one {}.',
    'a close-up photo of the {}.',
    'a photo of a {}.',
    'a low resolution photo of a {}.',
    'a photo of a large {}.',
    'a blurry photo of a {}.',
    'a jpeg corrupted photo of the {}.',
    'a good photo of a {}.',
    'a photo of the small {}.',
    'a photo of the large {}.',
    'a black and white photo of a {}.',
    'a dark photo of a {}.',
    'a photo of a cool {}.',
    'a photo of a small {}.',
    'there is a {} in the scene.',
    'there is the {} in the scene.',
    'this is a {} in the scene.',
    'this is the {} in the scene.',
    'this is one {} in the scene.',
  ],
};

/** AnoVL's are the same phrases around several words for the picture, without a full stop. */
const anovlPhrases = [
  'a cropped KIND of the {}',
  'a cropped KIND of a {}',
  'a close-up KIND of a {}',
  'a close-up KIND of the {}',
  'a bright KIND of a {}',
  'a bright KIND of the {}',
  'a dark KIND of the {}',
  'a dark KIND of a {}',
  'a jpeg corrupted KIND of a {}',
  'a jpeg corrupted KIND of the {}',
  'a blurry KIND of the {}',
  'a blurry KIND of a {}',
  'A KIND of a {}',
  'A KIND of the {}',
  'A KIND of a small {}',
  'A KIND of the small {}',
  'A KIND of a large {}',
  'A KIND of the large {}',
  'A KIND of the {} for visual inspection',
  'A KIND of a {} for visual inspection',
  'A KIND of the {} for anomaly detection',
  'A KIND of a {} for anomaly detection',
] as const;
const article = (kind: string): string => (/^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`);
const about = (kinds: readonly string[]): string[] =>
  kinds.flatMap((kind) => anovlPhrases.map((phrase) => phrase.replace('A KIND', article(kind)).replace('KIND', kind)));

const anovlStates = {
  normal: ['normal {}', ...flawless.slice(1)],
  anomalous: ['damaged {}', 'abnormal {}', 'imperfect {}', 'blemished {}', ...flawed],
};
/** AnoVL's words for pictures of objects, and of surfaces without a shape of their own. */
export const anovl: Ensemble = { ...anovlStates, templates: about(['industrial photo', 'industrial image', 'manufacturing image']) };
export const anovlTexture: Ensemble = { ...anovlStates, templates: about(['industrial photo', 'textural photo', 'surface photo']) };

/** Every state in every template, about `object`. Names are used as given ("metal nut"). */
export function prompts(states: readonly string[], templates: readonly string[], object: string): string[] {
  return states.flatMap((state) => templates.map((template) => template.replace('{}', () => state.replace('{}', () => object))));
}
