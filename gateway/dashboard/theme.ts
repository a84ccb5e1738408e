// Colours and sizes, chosen so that every text reaches a contrast of 4.5:1 in both schemes (WCAG 2.2, 1.4.3).
import { createTheme, type CSSVariablesResolver } from '@mantine/core'

export const theme = createTheme({
  primaryColor: 'blue',
  primaryShade: { light: 8, dark: 8 },
  autoContrast: true,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, monospace',
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    // A title in the colour of its alert is too pale on the tint of that colour.
    Alert: { styles: { title: { color: 'var(--mantine-color-text)' } } },
  },
})

export const colors: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#5c636a',
    '--mantine-color-anchor': '#1864ab',
    '--mantine-color-error': '#c92a2a',
  },
  dark: {
    '--mantine-color-dimmed': '#a6adb4',
    '--mantine-color-anchor': '#74c0fc',
    '--mantine-color-error': '#ff8787',
  },
})
