// The model's input of all these measurements: CLIP's at 518 px.
export const input = {
  width: 518,
  height: 518,
  resize: 'bicubic',
  fit: 'squash',
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};
