// Models as their authors publish them: what one does, of which files it is, what a machine needs to serve it, and how a node proves that it can.
import { z } from 'zod'
import { OipTensorJson, TensorSpec } from './oip-fields.ts'

/**
 * What a model does, and so which surface serves it: `chat` (text generation) and `embeddings` the OpenAI one; `classification` (text in, labels
 * out), `ocr` (image in, lines out) and `tensors` (any graph) the Open Inference Protocol.
 */
export const Task = z.enum(['chat', 'embeddings', 'classification', 'ocr', 'tensors'])
export type Task = z.infer<typeof Task>

/** Tasks whose input and output are tensors, paid by their bytes. */
export const TENSOR_TASKS: ReadonlySet<Task> = new Set(['classification', 'ocr', 'tensors'])

export const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/)
const FileName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,120}$/)
const ProbeInput = z.string().min(1).max(2_000)
/** A question in words with what its answer contains, or tensors with the known ones (their JSON form: protocol/oip.ts). */
export const Probe = z.union([
  z.strictObject({ input: ProbeInput, contains: z.string().max(2_000).optional() }),
  z.strictObject({
    inputs: z.array(OipTensorJson).max(64),
    outputs: z.array(OipTensorJson).min(1).max(64),
    /** absent: 1e-3 and 1e-6. |answer − known| ≤ atol + rtol × |known|, element by element; other types than floats must be equal */
    rtol: z.number().min(0).max(1).optional(),
    atol: z.number().min(0).max(1).optional(),
  }),
])
export type Probe = z.infer<typeof Probe>

/** A model as its author publishes it. `digest` is sha256 of JCS({ files }), so one set of files is one model. */
export const ModelManifest = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}\/[a-z0-9][a-z0-9._-]{0,94}$/, 'author/name in lower case'),
  task: Task,
  description: z.string().max(500),
  /** SPDX expression */
  licence: z.string().min(1).max(120),
  /** file name -> sha256 of its bytes, as hex */
  files: z
    .record(FileName, Sha256Hex)
    .refine((files) => Object.keys(files).length >= 1 && Object.keys(files).length <= 64, 'one to 64 files'),
  /** bytes of each file, so that a download knows its size before it begins */
  sizes: z
    .record(
      FileName,
      z
        .number()
        .int()
        .min(0)
        .max(2 ** 50),
    )
    .optional(),
  /** HTTPS folders that hold the files, tried in order: a file is at `<source>/<name>`. None: files come with the folder. */
  sources: z
    .array(z.url({ protocol: /^https$/ }).max(2_048))
    .max(8)
    .optional(),
  /** name of a file in `files` -> its path below a source, where that is another */
  sourcePaths: z.record(FileName, z.string().min(1).max(512)).optional(),
  /** what a machine needs to serve it */
  hardware: z
    .strictObject({
      /** bytes of memory it takes while loaded; absent: twice its files */
      memoryBytes: z
        .number()
        .int()
        .min(0)
        .max(2 ** 50)
        .optional(),
    })
    .optional(),
  /** tokens of input and output together; 1 for tensors, which have none */
  contextTokens: z.number().int().min(1).max(10_000_000).default(1),
  outputTokensMax: z.number().int().min(0).max(1_000_000).default(0),
  /** Fewest bytes one token can stand for: bounds what a node may claim (bytes ÷ this). */
  bytesPerTokenMin: z.number().min(1).max(64).default(1),
  /** Tokens the template adds: once, and per message. */
  templateTokens: z
    .strictObject({
      fixed: z.number().int().min(0).max(4096),
      perMessage: z.number().int().min(0).max(4096),
    })
    .default({ fixed: 0, perMessage: 0 }),
  /** file of the tokenizer, in Hugging Face's form, beside tokenizer_config.json; absent: tokenizer.json */
  tokenizer: FileName.optional(),
  /** chat: ChatML as the node's program writes it (absent: that), or the template in tokenizer_config.json */
  chatTemplate: z.enum(['chatml', 'tokenizer_config']).optional(),
  /** embeddings: length of a vector */
  dimensions: z.number().int().min(1).max(65_536).optional(),
  /** embeddings: how token vectors become one; `none` or absent: the graph gives a vector per text itself */
  pooling: z.enum(['none', 'mean', 'cls', 'last']).optional(),
  /** embeddings: vectors are brought to length 1; false or absent: as the graph gives them */
  isNormalised: z.boolean().optional(),
  /** embeddings: fewest dimensions a caller may ask for; absent: all or nothing */
  dimensionsMin: z.number().int().min(1).max(65_536).optional(),
  /**
   * Calls that gain from being computed together: how many at most. Absent: one at a time. Graphs that are batched have a first dimension of
   * their own in every input and output.
   */
  batchMax: z.number().int().min(1).max(1_024).optional(),
  /** tensor tasks: what goes in and comes out, -1 for a dimension that varies; `bytesMax` bounds all outputs of one call together */
  tensors: z
    .strictObject({
      /** none: a graph of constants */
      inputs: z.array(TensorSpec).max(64),
      outputs: z.array(TensorSpec).min(1).max(64),
      outputBytesMax: z
        .number()
        .int()
        .min(1)
        .max(64 * 1024 * 1024),
    })
    .optional(),
  /** Questions with known answers that a node must pass before it is offered to callers. Chat: greedy. */
  probes: z.array(Probe).min(1).max(16),
  royaltyBps: z.number().int().min(0).max(5_000),
})
export type ModelManifest = z.infer<typeof ModelManifest>

/** What a node needs of it: as the gateway shows it to everybody, without the probes, which are questions with answers. */
export const ServedManifest = ModelManifest.partial({ probes: true })
export type ServedManifest = z.infer<typeof ServedManifest>
