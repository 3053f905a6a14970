/** What a file is by its first bytes; its extension is not asked. */
export type ImageKind = 'png' | 'jpeg' | 'tiff' | 'bmp' | 'gif' | 'webp' | 'heif' | 'jxl' | 'jp2' | 'pdf' | 'svg' | 'npy' | 'unknown';

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', from, to);
}

/** Signatures: PNG 5.2, JPEG B.1.1.3, TIFF 6.0 section 2 and BigTIFF, Windows GDI BITMAPFILEHEADER, GIF89a, RIFF/WebP, ISO BMFF. */
export function sniff(bytes: Uint8Array): ImageKind {
  const start = ascii(bytes, 0, 16);
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (start.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (/^(II[*+]\0|MM\0[*+])/.test(start)) return 'tiff';
  if (start.startsWith('BM')) return 'bmp';
  if (start.startsWith('GIF8')) return 'gif';
  if (start.startsWith('RIFF') && start.slice(8, 12) === 'WEBP') return 'webp';
  if (start.slice(4, 8) === 'ftyp') return 'heif';
  if (start.startsWith('\xff\x0a') || start.slice(4, 8) === 'JXL ') return 'jxl';
  if (start.slice(4, 8) === 'jP  ') return 'jp2';
  if (start.startsWith('%PDF')) return 'pdf';
  if (start.startsWith('\x93NUMPY')) return 'npy';
  if (/^\s*<(\?xml|svg)/.test(start)) return 'svg';
  return 'unknown';
}

export interface PngFacts {
  complete: boolean; // an IEND chunk lies inside the file
  animated: boolean; // APNG: an acTL chunk before the pixels
}

/** Walks the chunks of a PNG (length, type, data, CRC) without reading their data. */
export function pngFacts(bytes: Uint8Array): PngFacts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let animated = false;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const type = ascii(bytes, at + 4, at + 8);
    const end = at + 12 + view.getUint32(at);
    if (type === 'IEND') return { complete: end <= bytes.length, animated };
    if (type === 'acTL') animated = true;
    at = end;
  }
  return { complete: false, animated };
}
