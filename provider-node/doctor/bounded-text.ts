// The text of an answer that is only looked at: a stranger behind a port, or a proxy in the gateway's place, may send without end.
import { DOCTOR_LIMITS } from './doctor-limits.ts'

/** null when it is longer than anything we look for */
export async function boundedText(response: Response): Promise<string | null> {
  if (!response.body) return ''
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text
    text += decoder.decode(value, { stream: true })
    if (text.length <= DOCTOR_LIMITS.answerBytes) continue
    await reader.cancel()
    return null
  }
}
