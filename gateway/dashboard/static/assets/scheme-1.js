// Runs before anything is drawn: the colours that were chosen last, or the system's, so that no page flashes in the others. A file of its own, since the
// policy allows no script in the page; it is kept by browsers for a year, so whoever changes it gives it the next number.
{
  const chosen = localStorage.getItem('mantine-color-scheme-value')
  const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
  const scheme = chosen === 'light' || chosen === 'dark' ? chosen : system
  document.documentElement.setAttribute('data-mantine-color-scheme', scheme)
}
