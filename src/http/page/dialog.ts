import { PENDING_WORD, RESULT_WORDS } from '../words.ts';
import { html } from './html.ts';

/**
 * What asks before something is done, and tells how it goes: `script.js` fills it. The words for results are those of
 * the terminal.
 */
export const DIALOG = html`<dialog id="ask" aria-labelledby="ask-title" data-words="${JSON.stringify({ ...RESULT_WORDS, pending: PENDING_WORD })}">
<form method="dialog">
<h2 id="ask-title"></h2>
<p id="ask-problem" class="fault" role="alert" hidden></p>
<div id="ask-token" hidden>
<label for="token">Token</label>
<input id="token" type="password" autocomplete="off" spellcheck="false" aria-describedby="token-hint">
<p id="token-hint">One of <code>auth.tokens</code>. It is kept in this tab until it is closed, and nowhere else.</p>
</div>
<p id="ask-status" role="status"></p>
<ul id="ask-models"></ul>
<fieldset id="ask-busy" hidden>
<legend>Models that are busy</legend>
<label><input type="radio" name="when-busy" value="wait" checked> wait until they have finished</label>
<label><input type="radio" name="when-busy" value="skip"> leave them alone</label>
<label><input type="radio" name="when-busy" value="force"> unload them now: what they are doing is lost</label>
</fieldset>
<p id="ask-hold" hidden><label for="hold">Afterwards</label>
<select id="hold">
<option value="0">anybody may load models again</option>
<option value="1800">keep the memory free for 30 minutes</option>
<option value="7200">keep the memory free for 2 hours</option>
<option value="28800">keep the memory free for 8 hours</option>
</select></p>
<p class="buttons"><button type="button" id="ask-close">Cancel</button> <button type="submit" id="ask-confirm"></button></p>
</form>
</dialog>`;
