//! The words of each class, in some 25 languages.
//!
//! Owns the lists and nothing else. A trailing `*` marks a stem: every longer word that starts so belongs to the class.
//! Scripts without spaces are matched by longest piece. Called when the lexicon is built, once.

use super::Class;

/// Class and words; a word that stands in two lists belongs to the first.
pub(super) const WORDS: &[(Class, &str)] = &[
    (Class::Undone, "yok yoksay yoksayın unut unutun unutunuz görmezden geç अनदेखा अनदेखी नज़रअंदाज़ नजरअंदाज भूल भूलें भुला उपेक्षा उपेक्षित
        無視し 無視 忘れて 忘れろ 忘れ 無効に 無効化 破棄し 従わな 무시하 무시해 무시하고 무시하십 무시하세 무시 잊어 잊으 잊고 따르지
        উপেক্ষা ভুলে অগ্রাহ্য نظرانداز نادیده فراموش புறக்கணி புறக்கணிக்கவும் புறக்கணித்து విస్మరించండి విస్మరించు"),
    (Class::Override, "ignore ignoring ignored disregard* forget forgetting override overrides overriding overrule bypass bypassing overlook discard neglect supersede supersedes
        ignoriere ignorieren ignoriert missachte* vergiss vergessen übergehe umgehe überschreibe verwirf
        ignorez ignorer oublie oubliez oublier outrepasse* néglige* contourne*
        ignora ignorar ignorad ignoren olvida olvide olvidar olvídate omite omita omitir desestima* descarta* pasa anula
        ignorate ignori dimentica dimenticate dimenticare trascura* scavalca scarta tralascia
        desconsidere desconsidera* esqueça esquece esquecer esqueca descarte desrespeite
        negeer negeren vergeet vergeten
        zignoruj* ignoruj* zapomnij* pomiń pomin pomiń zlekceważ* odrzuć
        игнорируй* игнорировать проигнорируй* забудь* забыть отбрось* отмени не_обращай пренебреги*
        ігноруй* проігнору* забудь* відкинь*
        ignoruj* zapomeň* nedbej opomiň
        ignoră ignorați uită uitați
        ignorera glöm glömma åsidosätt bortse ignorer ignorér glem glemme tilsidesæt overse ohita unohda sivuuta
        αγνόησε αγνοήστε αγνόησ* ξέχασε ξεχάστε παράβλεψε
        
        abaikan hiraukan lupakan kesampingkan acuhkan
        huwag kalimutan balewalain puuza sahau
        تجاهل تجاهلي تجاهلوا انس انسَ انسى تخطى تغاضى اهمل أهمل
        התעלם התעלמי התעלמו שכח שכחי
        
         
        
        忽略 无视 忘记 忘掉 不要理会 不理会 抛弃 忽視 忘記 覆盖 推翻 別管 别管
        
        
        ละเว้น เพิกเฉย ลืม ไม่สนใจ มองข้าม
        bỏ phớt quên"),
    (Class::Instruction, "instruction instructions prompt prompts rule rules guideline guidelines directive directives orders constraint constraints restrictions restriction programming protocols guardrails
        anweisung* regel* vorgabe* richtlinie* instruktion* befehl* aufforderung* systemaufforderung systemanweis* systemprompt*
        instrucción instrucci* instruccion* indicacion* norma normas reglas regla órdenes directric* directiva*
        consigne* règle* regles directive* ordre ordres indications
        istruzion* regola regole direttiv* comandi ordini indicazioni linee_guida
        instruç* instruçõ* instruco* regra regras diretriz* orientaç* ordens
        instructies instructie regels richtlijn* opdracht*
        polece* polecenia instrukcj* instrukcje zasad* wytyczn* reguł*
        инструкци* указани* правил* команд* директив* промпт* предписани*
        інструкці* вказівк* правила правил настанов*
        instrukce instrukcí pokyn* pravidl* instrucțiuni* instrucțiunile reguli regulile
        instruktion* anvisning* regler reglerna instrukser instruks ohjeet ohjeita ohjeit* säännöt sääntöj*
        οδηγίες οδηγιών εντολές κανόνες
        talimat* talimatları yönerge* kural* komut* emirler
        instruksi* petunjuk aturan perintah arahan
        maelekezo maagizo tagubilin utos panuto
        تعليمات التعليمات تعليماتك الأوامر أوامرك القواعد قواعدك توجيهات التوجيهات الإرشادات تعليماتي
        הוראות ההוראות הנחיות ההנחיות כללים הכללים
        دستورالعمل* دستورات دستور قوانین
        निर्देश निर्देशों निर्देशो आदेश आदेशों नियम नियमों हिदायत* अनुदेश*
        নির্দেশ নির্দেশনা নির্দেশাবলী নিয়ম ہدایات வழிமுறைகள் அறிவுறுத்தல்கள் సూచనలు సూచనలను
        指令 指示 规则 規則 命令 提示词 提示詞 系统提示 系統提示 系统提示词 系統提示詞 准则 準則 规定 說明
        プロンプト ルール 規約 ガイドライン 指図
        지시 지침 명령 규칙 프롬프트 안내
        คำสั่ง กฎ คำแนะนำ ข้อกำหนด
        hướng chỉ lệnh"),
    (Class::Previous, "previous prior above earlier preceding foregoing past initial original existing prior before former
        vorherig* bisherig* obig* vorangegangen* vorig* früher* ursprünglich* zuvor
        anterior* anteriores previa previas previos previo arriba
        précédent* antérieur* avant ci-dessus dessus préalable*
        precedent* precedenti sopra prima
        prévia* prévias acima vorige eerdere voorgaande bovenstaande
        poprzedni* wcześniejsz* powyższ*
        предыдущ* прежн* прошл* вышеуказан* ранее выше
        попередн* вищезазначен* раніше předchozí* dosavadní* anterioar* precedente
        tidigare föregående ovanstående forrige tidligere foregående ovenstående aiemm* edellis* yllä
        προηγούμεν* παραπάνω önceki yukarıdaki daha_önceki evvelki
        sebelumnya terdahulu diatas yaliyotangulia awali nakaraang naunang
        السابقة السابق سابقة أعلاه הקודמות הקודם הקודמים לעיל قبلی پیشین
        पिछले पिछली पूर्व पहले उपरोक्त আগের পূর্ববর্তী پچھلی முந்தைய మునుపటి
        之前 以前 先前 上述 以上 前面 此前 上面 之前的 前述
        これまで 以前の 前の 上記 先ほど 今まで 従来
        이전 앞선 위의 기존 지금까지
        ก่อนหน้า ก่อน ข้างต้น
        trước trên"),
    (Class::All, "all every any everything anything entire each alle alles sämtliche jede jegliche todas todos toda todo cualquier toutes tous tout toute tutte tutti tutto qualsiasi qualquer
        al alle wszystkie wszystkich wszelkie все всех всё всі všechny všech toate alla kaikki όλες όλα όλους tüm bütün semua seluruh zote yote lahat جميع كل כל همه सभी सब सारे সমস্ত সব تمام அனைத்து అన్ని 所有 全部 一切 すべて 全て 全部の 모든 전부 ทั้งหมด ทุก tất mọi"),
    (Class::You, "you your yours yourself yourselves du dein deine deinen deiner dich sie ihre ihren tu tus usted su vous votre vos ton ta tes tuo tua tuoi tue seu sua seus suas você jij jouw uw je twoje twój twoich ty ты твои твой твоих вы ваши свои своих ти твої свої своїх ты tvé svá tale din ditt dina sinun σου sen senin siz sizin anda kamu kau yako iyong أنت تك אתה שלך شما تو आप आपके अपने तुम তুমি আপনার آپ நீங்கள் మీరు 你 您 你的 您的 あなた 君 お前 너 당신 너의 คุณ bạn của_bạn"),
    (Class::Me, "i me my mine myself we us our"),
    (Class::Please, "please pls plz kindly bitte por_favor porfavor favor s'il plait plaît svp stp prego cortesia alstublieft alsjeblieft proszę prosze пожалуйста будь ласка prosím rog snälla vänligst venligst παρακαλώ lütfen tolong mohon silakan tafadhali paki من_فضلك فضلك رجاء يرجى בבקשה لطفا कृपया দয়া براہ தயவுசெய்து దయచేసి 请 請 ください お願い 제발 주세요 โปรด กรุณา vui_lòng hãy xin"),
    (Class::Must, "must should shall need needs required require requires have ought mandatory obligatory muss musst müssen sollst debes debe deve devi devono devez doit dois moet musisz należy должен должна должны обязан повинен musíš måste skal πρέπει malısın gerekir harus wajib lazima يجب חייב باید चाहिए 必须 必須 務必 务必 なければ 반드시 해야 ต้อง phải cần"),
    (Class::Not, "not never don't dont no cannot can't won't without nicht nie keine kein no nunca jamás ne pas jamais non mai não niet geen nie не никогда ne ikke inte ei μην asla jangan usiwe لا ולא نکن मत না 不要 不 别 勿 ない しないで 말고 마세요 ห้าม อย่า đừng không"),
    (Class::Reveal, "reveal reveals show print repeat output display expose dump disclose divulge leak echo recite spell zeige zeig gib verrate nenne enthülle muestra muestre revela révèle affiche affichez montre mostra mostre mostri rivela revele revela toon onthul pokaż wyświetl ujawnij покажи раскрой выведи напиши показати виведи zobraz ukaž afișează arată visa avslöja vis afslør näytä paljasta δείξε göster ifşa tampilkan tunjukkan ungkapkan onyesha اكشف أظهر اعرض הצג חשוף نشان दिखाओ दिखाएं बताओ প্রকাশ 显示 输出 透露 泄露 打印 顯示 告诉 表示し 出力し 教えて 보여 출력 공개 알려 แสดง เปิดเผย hiển_thị tiết_lộ"),
    (Class::Secrecy, "mention inform notify alert disclose acknowledge silently secretly quietly covertly discreetly confidential stealthily hidden unnoticed suspicion"),
    (Class::System, "system developer admin administrator root sudo jailbreak dan unrestricted unfiltered uncensored systemprompt système sistema systeem systemowy системный системний systémový sistem النظام מערכת سیستم सिस्टम সিস্টেম 系统 系統 システム 시스템 ระบบ hệ_thống"),
    (Class::Assistant, "assistant ai llm model gpt chatgpt claude gemini copilot agent bot chatbot openai anthropic llama mistral assistent* asistente assistente asystent* ассистент* помощник* asisten ذكاء עוזר सहायक 助手 人工智能 アシスタント 어시스턴트 ผู้ช่วย trợ_lý"),
    (Class::Tool, "tool tools function functions api command commands plugin plugins skill skills browser shell terminal endpoint mcp webhook"),
    (Class::Now, "now instead immediately urgent urgently first before proceeding afterwards then henceforth onwards forth stattdessen jetzt ahora maintenant adesso invece agora nu zamiast teraz теперь сейчас вместо зараз nyní acum şimdi sekarang الآن עכשיו اکنون अब 现在 立即 今後 代わりに 지금 대신 ตอนนี้ bây_giờ"),
    (Class::Credential, "password passwords credential credentials token tokens secret secrets apikey passwort kennwort passwörter contraseña* mot_de_passe passe senha senhas wachtwoord hasło hasła парол* heslo şifre kata_sandi كلمة סיסמה रमज़ 密码 密碼 パスワード 비밀번호 รหัสผ่าน mật_khẩu keychain ssh env cookie cookies passphrase otp pin 2fa"),
    (Class::Data, "data file files conversation history contacts contact inbox emails messages records record database profile documents details information info daten datei dateien datos archivo archivos données fichier fichiers dati dados arquivo gegevens bestand dane plik данные данных файл дані soubor fișier veri dosya dosyayı verileri berkas faili البيانات بيانات الملف נתונים داده डेटा फ़ाइल ডেটা 数据 用户数据 數據 文件 データ ファイル 데이터 파일 ข้อมูล ไฟล์ dữ_liệu tệp"),
    (Class::User, "user users human customer owner recipient friend benutzer usuario utilisateur utente usuário gebruiker użytkownik* пользовател* користувач* kullanıcı pengguna المستخدم משתמש کاربر उपयोगकर्ता 用户 使用者 ユーザー 사용자 ผู้ใช้ người_dùng"),
    (Class::Role, "act pretend roleplay role-play impersonate simulate behave persona character"),
    (Class::Answer, "answer respond reply response replies responding answering output summary summarize summarise append prepend begin prefix suffix sentence append conclude include"),
    (Class::Act, "send transfer forward delete remove upload download post execute run install open unlock lock disable enable grant give revoke book cancel buy purchase order pay wire deposit withdraw schedule create update modify change reset add invite share publish export import copy move rename write save store call invoke use visit click navigate fetch retrieve access get find search list read check verify review analyze analyse ensure manage monitor assign approve submit register subscribe unsubscribe turn set activate deactivate start stop terminate kill restart email text message notify_all contact dial record track encrypt decrypt clear wipe erase modify adjust increase decrease generate provide perform conduct prepare compile implement establish coordinate
        sende senden schick schicke überweise lösche öffne führe lade installiere envía envíe enviar manda borra elimina transfiere ejecuta abre descarga envoie envoyez supprime supprimez transfère exécute ouvre télécharge invia inviate manda elimina cancella trasferisci esegui apri scarica envie enviar mande apague exclua transfira execute abra baixe stuur verzend verwijder voer wyślij usuń przelej uruchom otwórz prześlij отправь* перешли* удали* переведи* выполни* открой* надішли* видали* перекажи* виконай* pošli odešli smaž převeď spusť trimite șterge transferă rulează skicka radera överför kör send slet overfør kør lähetä poista siirrä suorita στείλε διάγραψε εκτέλεσε gönder gönderin sil aktar çalıştır kirim kirimkan hapus jalankan tuma futa ipadala tanggalin أرسل ارسل احذف نفذ حول שלח מחק הרץ بفرست حذف भेजें भेजो हटाएं पाठाएं पাঠান بھیجیں அனுப்பு పంపండి 发送 发到 發送 删除 执行 转账 上传 轉帳 送信し 送って 削除し 実行し 보내 삭제 실행 전송 ส่ง ลบ gửi xóa chuyển"),
    (Class::Money, "money payment bitcoin btc usd eur dollars iban invoice account bank paypal wallet crypto refund amount"),
    (Class::Human, "dear regards sincerely cheers thanks thank hi hello hey wrote subject sent attached attachment meeting call unsubscribe newsletter copyright"),
    (Class::Rot13, "gur naq lbhe lbh cyrnfr vtaber flfgrz cerivbhf vafgehpgvbaf vafgehpgvba guvf gung jvgu sebz nyy fraq cebzcg hfre hfref nafjre erirny sbyybjvat zrffntr grkg cnffjbeq sbe ner abg unir lbhef jung vf bs"),
    (Class::Backward, "eht dna ruoy uoy esaelp erongi metsys suoiverp snoitcurtsni noitcurtsni siht taht htiw morf dnes tpmorp resu sresu rewsna laever gniwollof egassem drowssap rof era ton evah tahw"),
    (Class::Leet, "7h3 4nd y0u y0ur 1gn0r3 5y573m pr3v10u5 1n57ruc710n5 pl3453 7h15 7h47 w17h fr0m 53nd pr0mp7 u53r f0r 4r3 n07 h4v3 t0 th3 4ll 411 1nstruct10ns 1n5truct10n5 prev1ous pr3vi0us syst3m"),
    (Class::Stop, "the a an of to in is are was were be been it its this that these those and or but if then for with on at by from as into about there their they them he she his her who which what when where why how can could will would may might do does did has had so than also only just more most other some such up out over under again here very der die das und ist ein eine zu von mit el la los las un una de que en y o le les des et à dans il lo gli che di per da o os as um uma do da em het een van и в на не что с по"),
];
