// Where a request says who may serve it when its body is no JSON, or of another protocol. Apart from the schema (routing.ts), for who only writes it.

/** Its value: `ProviderPreferences` as JSON. */
export const PROVIDER_HEADER = 'x-souk-provider'
