// Pictures from strangers: decoded by libvips with a ceiling on pixels, so that a small file cannot become gigabytes, and turned as their camera
// says. JSON has no bytes, so a picture may also come as a data URL or as base64.
import sharp from 'sharp'

/** Three bytes a pixel: red, green, blue; rows from the top. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly rgb: Uint8Array
}

/** pixels of a picture: a page at 300 dpi has 9 million */
const PIXELS_MAX = 16_000_000
/** pixels of a side below which there is nothing to read */
const SIDE_MIN = 8

/** @returns null for what is no PNG, JPEG, WebP or TIFF, or is too large or too small */
export async function decodePicture(bytes: Uint8Array): Promise<Picture | null> {
  const file = fromText(bytes) ?? bytes
  if (!isPicture(file)) return null
  try {
    const { data, info } = await sharp(file, { limitInputPixels: PIXELS_MAX, failOn: 'error', sequentialRead: true })
      .rotate()
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    const { width, height, channels } = info
    return channels === 3 && Math.min(width, height) >= SIDE_MIN ? { width, height, rgb: data } : null
  } catch {
    // Whoever sent it is told that it is no picture; libvips' sentence names nothing they could mend.
    return null
  }
}

/** At most this long on both sides, and both a multiple of `step`, as convolutions want it. */
export async function fitPicture(
  { width, height, rgb }: Picture,
  { sideMax, step }: { sideMax: number; step: number },
): Promise<Picture> {
  const ratio = Math.min(1, sideMax / Math.max(width, height))
  const side = (length: number) => Math.max(step, Math.round((length * ratio) / step) * step)
  const size = { width: side(width), height: side(height) }
  const raw = { width, height, channels: 3 } as const
  return {
    ...size,
    rgb: await sharp(rgb, { raw })
      .resize({ ...size, fit: 'fill' })
      .raw()
      .toBuffer(),
  }
}

const SIGNATURES: readonly (readonly number[])[] = [
  [0x89, 0x50, 0x4e, 0x47], // PNG
  [0xff, 0xd8, 0xff], // JPEG
  [0x52, 0x49, 0x46, 0x46], // RIFF, WebP
  [0x49, 0x49, 0x2a, 0x00], // TIFF
  [0x4d, 0x4d, 0x00, 0x2a],
]

/** By its first bytes: libvips also reads SVG and PDF, which are programs. */
const isPicture = (file: Uint8Array): boolean =>
  SIGNATURES.some((signature) => signature.every((byte, index) => file[index] === byte))

/** The bytes behind `data:image/…;base64,` or plain base64; null for what is neither. */
function fromText(bytes: Uint8Array): Uint8Array | null {
  if (isPicture(bytes) || bytes.some((byte) => byte > 0x7e)) return null
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const base64 = text
    .replace(/^data:image\/[a-z]{1,20};base64,/, '')
    .replace(/\s+/g, '')
    .replace(/={1,2}$/, '')
  // A stranger's text of millions of characters: no pattern here may try anything twice.
  return base64 === '' || /[^A-Za-z0-9+/]/.test(base64) ? null : Buffer.from(base64, 'base64')
}
