// A stranger's program that uses all of the text surface: several choices, seeds, log probabilities, JSON, the older completions, embeddings of a
// length. The official client alone, in its own process; it only reports what it was given.
import OpenAI from 'openai'

const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY, maxRetries: 0 })
const model = 'souk/tiny-chat'
const messages = [{ role: 'user', content: 'What is the capital of France?' }]
const costs = []
const priced = (answer) => {
  costs.push(answer.usage.cost)
  return answer
}

const chat = async (over) => priced(await client.chat.completions.create({ model, messages, ...over }))
const completion = async (over) => priced(await client.completions.create({ model, ...over }))

/** Texts, ends and tokens by choice. */
async function read(stream) {
  const choices = []
  for await (const chunk of stream) {
    for (const { index, delta, text, finish_reason, logprobs } of chunk.choices) {
      const choice = (choices[index] ??= { text: '', finish: null, tokens: [], roles: 0 })
      choice.text += delta?.content ?? text ?? ''
      choice.roles += delta?.role ? 1 : 0
      choice.finish ??= finish_reason
      choice.tokens.push(...(logprobs?.tokens ?? logprobs?.content?.map(({ token }) => token) ?? []))
    }
    if (chunk.usage) priced(chunk)
  }
  return choices
}

// Hot, since the model is sure of its answers: two choices that are drawn apart are then different ones.
const sampled = { n: 2, seed: 7, temperature: 2, top_p: 0.999, top_k: 1000, max_tokens: 12 }
const twice = [await chat(sampled), await chat(sampled)]
const streamed = await read(await client.chat.completions.create({ model, messages, ...sampled, stream: true }))

const logprobs = { logprobs: true, top_logprobs: 3, temperature: 0 }
const told = await chat(logprobs)
const toldInStream = await read(await client.chat.completions.create({ model, messages, ...logprobs, stream: true }))

const json = await chat({ response_format: { type: 'json_object' }, max_tokens: 60, temperature: 0 })

const prompts = { prompt: ['Paris is the capital', 'Two and two is'], n: 2, max_tokens: 5, temperature: 0, logprobs: 2 }
const completed = await completion(prompts)
const completedInStream = await read(await client.completions.create({ model, ...prompts, stream: true }))

const vectors = await client.embeddings.create({ model: 'souk/word-vectors', input: 'a cat', dimensions: 50 })
priced(vectors)

const refusals = []
for (const refused of [
  () => client.embeddings.create({ model: 'souk/word-vectors', input: 'a cat', dimensions: 24 }),
  () => chat({ response_format: { type: 'json_schema', json_schema: { name: 'a', schema: {} } } }),
  () => chat({ n: 9 }),
  () => chat({ top_logprobs: 2 }),
]) {
  const refusal = await refused().then(
    () => null,
    ({ status, code, param }) => ({ status, code, param }),
  )
  refusals.push(refusal)
}

const textsOf = ({ choices }) => choices.map(({ message, text }) => message?.content ?? text)
console.log(
  JSON.stringify({
    costs,
    sampled: twice.map(textsOf),
    sampledProof: twice[0].souk,
    streamed,
    told: told.choices[0],
    toldInStream,
    json: { text: json.choices[0].message.content, finish: json.choices[0].finish_reason },
    completed: completed.choices,
    completedUsage: completed.usage,
    completedInStream,
    vector: vectors.data.map(({ embedding }) => embedding.length),
    refusals,
  }),
)
