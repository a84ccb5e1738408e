// A stranger's program: the official client in its own process. Nothing of ours is imported; only base URL and key are changed.
import OpenAI from 'openai'

const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY, maxRetries: 0 })
const question = [{ role: 'user', content: 'What is the capital of France?' }]

const chat = await client.chat.completions.create({ model: 'souk/tiny-chat', messages: question, temperature: 0 })

const streamed = { text: '', usage: null, finish: null, souk: null }
const stream = await client.chat.completions.create({
  model: 'souk/tiny-chat',
  messages: question,
  temperature: 0,
  stream: true,
})
for await (const chunk of stream) {
  streamed.text += chunk.choices[0]?.delta?.content ?? ''
  streamed.finish ??= chunk.choices[0]?.finish_reason ?? null
  streamed.usage ??= chunk.usage ?? null
  streamed.souk ??= chunk.souk ?? null
}

let withUsage = []
const asked = await client.chat.completions.create({
  model: 'souk/tiny-chat',
  messages: question,
  temperature: 0,
  stream: true,
  stream_options: { include_usage: true },
})
for await (const chunk of asked) if (chunk.usage) withUsage.push({ choices: chunk.choices.length, usage: chunk.usage })

const embeddings = await client.embeddings.create({ model: 'souk/word-vectors', input: ['a cat', 'a dog'] })
const models = []
for await (const model of client.models.list()) models.push(model.id)
const model = await client.models.retrieve('souk/tiny-chat')

let refusal = null
try {
  await client.chat.completions.create({ model: 'souk/no-such-model', messages: question })
} catch (error) {
  refusal = {
    class: error.constructor.name,
    status: error.status,
    code: error.code,
    type: error.type,
    param: error.param,
  }
}

console.log(
  JSON.stringify({
    chat: { text: chat.choices[0].message.content, usage: chat.usage, souk: chat.souk },
    streamed,
    withUsage,
    embeddings: {
      lengths: embeddings.data.map((d) => d.embedding.length),
      first: embeddings.data[0].embedding.slice(0, 3),
      usage: embeddings.usage,
    },
    models,
    model: model.id,
    refusal,
  }),
)
