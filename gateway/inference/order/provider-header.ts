// Preferences that stand in a header: for requests whose body has no field for them, tensors in binary form, and for clients that cannot add one.
import { PROVIDER_HEADER } from '../../../protocol/provider-header.ts'
import { ProviderPreferences } from '../../../protocol/routing.ts'
import { GatewayError } from '../../core/errors.ts'
import { parseJson, parseWith } from '../../core/json-body.ts'

/**
 * The request with its preferences where the body has them, so that whatever follows reads one place: a repeat under an Idempotency-Key must have the
 * same ones too. @throws GatewayError invalid_request, naming the header and its field; also when body and header both have some
 */
export function withPreferences<Asked extends { readonly provider?: ProviderPreferences | null | undefined }>(
  headers: Headers,
  request: Asked,
): Asked {
  const provider = preferencesIn(headers)
  if (!provider) return request
  if (request.provider) throw refused('Preferences stand in the body or in this header, not in both.')
  return { ...request, provider }
}

/** Null without the header. The runtime bounds its length. @throws GatewayError as above */
export function preferencesIn(headers: Headers): ProviderPreferences | null {
  const text = headers.get(PROVIDER_HEADER)
  if (text === null) return null
  try {
    return parseWith(ProviderPreferences, parseJson(text))
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    if (error.param === null) throw refused('It holds a JSON object, as the field "provider" of a body does.')
    throw refused(error.detail ?? 'A field of it is wrong.', error.param)
  }
}

const refused = (detail: string, field?: string) =>
  new GatewayError('invalid_request', {
    param: field === undefined ? PROVIDER_HEADER : `${PROVIDER_HEADER}.${field}`,
    detail,
  })
