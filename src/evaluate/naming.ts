/** How the trainers name things: folders DATE_V_TEXT, files normal_DATE_N.jpg and abnormal_DATE_N.jpg, label tables with these words. */

/** What a file's name says of its part; null for other names. DATE is yyMMdd or yyyyMMdd. */
export function labelOfName(name: string): 'normal' | 'abnormal' | null {
  const found = /^(normal|abnormal)_(\d{6}|\d{8})_(\d+)(\.[a-z]+)?$/i.exec(name)?.[1]?.toLowerCase();
  return found === 'normal' || found === 'abnormal' ? found : null;
}

/** Whether a folder is named by the rule, so that its files must be too. */
export function isExportFolder(name: string): boolean {
  return /^(\d{6}|\d{8})_V?\d+[A-Za-z0-9.]*_.+$/.test(name);
}

const words: Record<string, 'normal' | 'abnormal'> = {
  normal: 'normal',
  good: 'normal',
  ok: 'normal',
  pass: 'normal',
  '0': 'normal',
  abnormal: 'abnormal',
  anomaly: 'abnormal',
  defective: 'abnormal',
  defect: 'abnormal',
  bad: 'abnormal',
  ng: 'abnormal',
  nok: 'abnormal',
  fail: 'abnormal',
  '1': 'abnormal',
};

/** A label as people write it; null for no word of these. */
export function labelOfWord(word: string): 'normal' | 'abnormal' | null {
  return words[word.trim().toLowerCase()] ?? null;
}

export const labelWords = Object.keys(words);
