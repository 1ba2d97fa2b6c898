/** The provider for `dojo.v1`, as an application imports it. */
export type { DraftText } from './draft.ts'
export { TIMINGS, TokenRefused, type Credential, type ProviderOptions, type Timings } from './options.ts'
export { DojoProvider } from './provider.ts'
export type { Connection, ProviderEvents, ProviderStatus, Refusal, Reset } from './status.ts'
