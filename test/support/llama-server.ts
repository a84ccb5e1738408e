// A real llama.cpp behind an OpenAI-compatible port, in a process of its own, with the shipped tiny-chat as GGUF. The package brings llama.cpp as a
// library (slots, continuous batching, templates, grammars); the HTTP around it is written here after llama-server's own: its events, its usage,
// its error for a prompt that is too long. Only what a node asks for, and only streams.
import { fork, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { tinyChatGguf } from './gguf.ts'

const PACKAGE = '@fugood/node-llama-linux-x64'
const SLOTS = 4
const CONTEXT = 512

/** Null: this machine is another, for which the package has no binary. */
export function llamaLibrary(): string | null {
  try {
    return createRequire(import.meta.url).resolve(PACKAGE)
  } catch {
    return null
  }
}

export interface LlamaServer {
  readonly url: string
  readonly model: string
  /** what its slots did: tokens of each call until now, and whether it was cancelled */
  calls(): Promise<{ tokens: number; wasCancelled: boolean; isOver: boolean }[]>
  close(): Promise<void>
}

/** @param folder of tiny-chat */
export async function startLlamaServer(folder: string): Promise<LlamaServer> {
  const home = await mkdtemp(join(tmpdir(), 'souk-llama-'))
  await writeFile(join(home, 'tiny-chat.gguf'), await tinyChatGguf(folder))
  // The library writes what it does on both streams.
  const child = fork(fileURLToPath(import.meta.url), [], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, SOUK_LLAMA: join(home, 'tiny-chat.gguf') },
  })
  const url = await firstMessage(child)
  const Calls = z.array(z.object({ tokens: z.number(), wasCancelled: z.boolean(), isOver: z.boolean() }))
  return {
    url,
    model: 'tiny-chat',
    calls: async () => Calls.parse(await (await fetch(`${url}/calls`)).json()),
    async close() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
      await rm(home, { recursive: true, force: true })
    },
  }
}

const firstMessage = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(z.string().parse(message)))
    child.once('exit', (code) => reject(new Error(`llama.cpp ended with ${code}`)))
  })

// What follows runs in the child.

/** Of the package's declarations, what is used here. */
interface Llama {
  enableParallelMode(options: { n_parallel: number; n_batch: number }): boolean
  getFormattedChat(messages: object[], template: undefined, options: object): { prompt: string }
  tokenize(text: string): Promise<{ tokens: Int32Array }>
  queueCompletion(options: object, callback: (error: unknown, result: Progress) => void): { requestId: number }
  cancelRequest(id: number): void
}
interface Progress {
  readonly token?: string
  readonly stopped_limit?: boolean
  readonly context_full?: boolean
  readonly tokens_predicted?: number
}

const Body = z.object({
  messages: z.array(z.object({ role: z.string(), content: z.string() })).optional(),
  prompt: z.string().optional(),
  stream: z.literal(true),
  stream_options: z.object({ include_usage: z.boolean().optional() }).optional(),
  continue_final_message: z.boolean().optional(),
  max_tokens: z.number().default(-1),
  n: z.number().int().default(1),
  temperature: z.number().default(0.8),
  top_p: z.number().default(0.95),
  top_k: z.number().default(40),
  min_p: z.number().default(0.05),
  repeat_penalty: z.number().default(1),
  seed: z.number().default(0xffffffff),
  stop: z.array(z.string()).default([]),
  response_format: z.object({ type: z.string() }).optional(),
})
type Body = z.infer<typeof Body>

const calls: { tokens: number; wasCancelled: boolean; isOver: boolean }[] = []

async function answer(llama: Llama, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const json = (value: unknown, status = 200) =>
    void response
      .writeHead(status, { 'content-type': 'application/json', server: 'llama.cpp' })
      .end(JSON.stringify(value))
  if (request.url === '/calls') return json(calls)
  if (request.url === '/v1/models')
    return json({ object: 'list', data: [{ id: 'tiny-chat', object: 'model', owned_by: 'llamacpp' }] })
  const isChat = request.url === '/v1/chat/completions'
  if (!isChat && request.url !== '/v1/completions')
    return json({ error: { code: 404, message: 'File Not Found' } }, 404)
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer) // without an encoding, parts are buffers
  const body = Body.parse(JSON.parse(Buffer.concat(parts).toString()))
  const prompt = promptOf(llama, body)
  const inputTokens = (await llama.tokenize(prompt)).tokens.length
  if (inputTokens >= CONTEXT) {
    const message = `the request exceeds the available context size, try increasing it`
    const error = {
      code: 400,
      message,
      type: 'exceed_context_size_error',
      n_prompt_tokens: inputTokens,
      n_ctx: CONTEXT,
    }
    return json({ error }, 400)
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', server: 'llama.cpp' })
  const say = (value: object) => response.write(`data: ${JSON.stringify(value)}\n\n`)
  const piece = (index: number, text: string, finish: string | null) =>
    say({
      choices: [
        { index, finish_reason: finish, ...(isChat ? { delta: text === '' ? {} : { content: text } } : { text }) },
      ],
    })
  const counts = await Promise.all(
    Array.from({ length: body.n }, (_, index) =>
      complete(llama, { ...body, seed: body.seed + index }, prompt, response, (text, finish) =>
        piece(index, text, finish),
      ),
    ),
  )
  const completion_tokens = counts.reduce((sum, count) => sum + count, 0)
  if (body.stream_options?.include_usage)
    say({
      choices: [],
      usage: { prompt_tokens: inputTokens, completion_tokens, total_tokens: inputTokens + completion_tokens },
    })
  response.end('data: [DONE]\n\n')
}

function promptOf(llama: Llama, { prompt, messages = [], continue_final_message: continues }: Body): string {
  if (prompt !== undefined) return prompt
  const before = continues ? messages.slice(0, -1) : messages
  const options = { jinja: true, add_generation_prompt: true }
  return llama.getFormattedChat(before, undefined, options).prompt + (continues ? (messages.at(-1)?.content ?? '') : '')
}

/** @returns tokens of one choice */
function complete(
  llama: Llama,
  body: Body,
  prompt: string,
  response: ServerResponse,
  piece: (text: string, finish: string | null) => void,
): Promise<number> {
  const call = { tokens: 0, wasCancelled: false, isOver: false }
  calls.push(call)
  return new Promise((resolve, reject) => {
    const over = (tokens: number) => {
      call.isOver = true
      resolve(tokens)
    }
    const { requestId } = llama.queueCompletion(
      { ...sampling(body), prompt, emit_partial_completion: true },
      (error, result) => {
        if (error) return reject(error instanceof Error ? error : new Error('llama.cpp failed'))
        if (call.wasCancelled) return
        if (result.token !== undefined) {
          call.tokens += 1
          return piece(result.token, null)
        }
        piece('', result.stopped_limit || result.context_full ? 'length' : 'stop')
        over(result.tokens_predicted ?? call.tokens)
      },
    )
    response.once('close', () => {
      if (call.isOver) return
      call.wasCancelled = true
      llama.cancelRequest(requestId)
      over(call.tokens)
    })
  })
}

/**
 * The package is compiled with fast mathematics, where the exponential of minus infinity is not always zero, so that the cuts of its samplers let
 * unlikely tokens through when nothing else is cut. The likeliest one is asked for as the only one; otherwise the tail is cut off by hand.
 */
const sampling = ({
  temperature,
  top_p,
  top_k,
  min_p,
  seed,
  stop,
  max_tokens,
  repeat_penalty,
  response_format: format,
}: Body) => ({
  ...{ temperature, top_p, seed, stop },
  top_k: temperature === 0 ? 1 : top_k,
  min_p: Math.max(min_p, 1e-6),
  n_predict: max_tokens,
  penalty_repeat: repeat_penalty,
  ...(format?.type === 'json_object' ? { response_format: { ...format, schema: { type: 'object' } } } : {}),
})

if (process.env.SOUK_LLAMA !== undefined && process.send) {
  const { LlamaContext } = createRequire(import.meta.url)(PACKAGE) as { LlamaContext: new (options: object) => Llama } // the package's main export
  // All in float32, as in our own runtime, so that greedy answers can be compared.
  const llama = new LlamaContext({
    model: process.env.SOUK_LLAMA,
    n_ctx: SLOTS * CONTEXT,
    n_parallel: SLOTS,
    n_threads: 1,
    n_gpu_layers: 0,
    cache_type_k: 'f32',
    cache_type_v: 'f32',
    flash_attn_type: 'off',
    ctx_shift: false,
  })
  llama.enableParallelMode({ n_parallel: SLOTS, n_batch: CONTEXT })
  const server = http.createServer((request, response) => {
    answer(llama, request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo // it listens on a port
    process.send?.(`http://127.0.0.1:${port}`)
  })
}
